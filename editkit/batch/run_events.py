"""Events of a run, as tables that a display or a program reads."""

from collections.abc import Sequence
from typing import Any

from editkit.batch.inputs import FoundPhoto, Photos
from editkit.batch.plan import RunPlan
from editkit.batch.tasks import Outcome, Task, printable


def task_name(photo: str, variant: int) -> str:
    """The name of a task in messages: its photo, and which variant."""
    return photo if variant == 0 else f"{photo} ({variant})"


def plan_event(plan: RunPlan, count: int) -> dict[str, Any]:
    """The event of a plan; `count` tasks are going to be done."""
    reasons = list(plan.reasons.values())
    changed = [part for parts in plan.changes.values() for part in parts]
    return {
        "event": "plan",
        "to_do": count,
        "kept": len(plan.done),
        "failed_before": len(plan.failed),
        "reasons": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
        "changed": {part: changed.count(part) for part in sorted(set(changed))},
        "notes": plan.notes,
    }


def outcome_event(task: Task, outcome: Outcome, reason: str) -> dict[str, Any]:
    """The event of a photo that is done or failed; `reason` tells why it was to do."""
    event: dict[str, Any] = {"event": outcome.state, "photo": outcome.photo, "why": reason}
    if task.variant or len(task.seeds) > 1:
        event["variant"] = outcome.variant
    if outcome.state == "failed":
        return {**event, "error": outcome.error}
    scores, notes = outcome.report.get("scores"), outcome.report.get("notes")
    return {
        **event,
        "output": printable(task.output),
        "seconds": outcome.row.get("seconds"),
        "seed": outcome.row.get("seed"),
        **({"scores": scores} if scores else {}),
        **({"notes": notes} if notes else {}),
    }


def closed_events(photos: Sequence[FoundPhoto], plan: RunPlan) -> list[dict[str, Any]]:
    """An event for each folder that could not be searched for photos."""
    closed = {**(photos.closed if isinstance(photos, Photos) else {}), **plan.silent}
    return [
        {"event": "failed", "photo": name, "why": "closed", "error": error}
        for name, error in closed.items()
    ]
