"""The report of a batch: one HTML page without scripts or files from elsewhere."""

import base64
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from editkit._version import __version__
from editkit.batch.report.rows import checked
from editkit.names import SCORES
from editkit.sanitize import harmless


def page(rows: Sequence[Mapping[str, Any]], title: str = "editkit batch") -> str:
    """The page of rows of a manifest (`editkit.batch.manifest.read_rows`).

    Pictures are in the page itself; every name and message is escaped.

    Raises:
        BatchError: a row holds what no batch writes.
    """
    cards = [_card(row) for row in rows]
    # What nobody has measured is nothing to sort by.
    known = [name for name in SCORES if any(c["scores"][name] is not None for c in cards)]
    return render(
        "report.html",
        title=harmless(title),
        cards=cards,
        scores=known,
        done=sum(card["state"] == "done" for card in cards),
        failed=sum(card["state"] == "failed" for card in cards),
        running=sum(card["state"] == "running" for card in cards),
    )


def render(name: str, **values: Any) -> str:  # noqa: ANN401 - of a template
    """The page of a template beside this file; texts are escaped."""
    import jinja2

    folder = resources.files("editkit.batch.report")
    loader = jinja2.FunctionLoader(lambda part: folder.joinpath(part).read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template(name).render(version=__version__, **values)


def _card(row: Mapping[str, Any]) -> dict[str, Any]:
    row = checked(row)
    report = row["report"]
    kinds = {"before": "jpeg", "after": "jpeg", "overlay": "png"}
    return {
        **{name: row[name] for name in ("photo", "variant", "state", "error", "seconds", "seed")},
        **{name: data_url(row[name], kind) for name, kind in kinds.items()},
        "scores": report["scores"],
        "prompt": report["prompt"],
        "kept": report["samples_changed_outside"],
        "notes": report["notes"],
    }


def data_url(picture: bytes | None, kind: str) -> str | None:
    """A picture as an address that holds it; None of none."""
    if picture is None:
        return None
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
