"""`--preview`: an edit by fast settings, marked as such."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from editkit.boxes import Size

if TYPE_CHECKING:
    from editkit.models.settings import Settings
    from editkit.ops.result import Result

_MOST_STEPS = 8
_LEAST_SIDE = 32


def preview_options(
    options: Mapping[str, Any], settings: "Settings", is_given: Callable[[str], bool]
) -> dict[str, Any]:
    """The options of an edit with fast settings for those that were not given.

    Half of the recommended steps, but no more than 8; half of the native size; no tiles.

    Args:
        options: of the edit.
        settings: the recommendations of the model.
        is_given: true for an option that the user gave.
    """
    side = max(_LEAST_SIDE, settings.native_size // 16 * 8)
    fast: dict[str, Any] = {
        "steps": max(1, min(_MOST_STEPS, settings.steps // 2)),
        "detail": 0.0,
        "repeats": 2,
        "size": Size(side, side),
        "work_size": side,
    }
    if "anchor" in options:  # the frame of `outpaint`, which is no setting of speed
        del fast["size"]
    wanted = {name: v for name, v in fast.items() if name in options and not is_given(name)}
    return {**options, **wanted}


def mark_preview(result: "Result") -> "Result":
    """The result with its report and its record saying that it is a preview."""
    note = "a preview by fast settings; for the full edit leave --preview out"
    report = {**result.report, "preview": True, "notes": [*result.report["notes"], note]}
    record = None if result.record is None else {**result.record, "preview": True}
    return replace(result, report=report, record=record)
