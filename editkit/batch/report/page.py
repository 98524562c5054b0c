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
    import jinja2

    file = resources.files("editkit.batch.report").joinpath("report.html")
    text = file.read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(text)
    cards = [_card(row) for row in rows]
    # What nobody has measured is nothing to sort by.
    known = [name for name in SCORES if any(c["scores"][name] is not None for c in cards)]
    return template.render(
        title=harmless(title),
        version=__version__,
        cards=cards,
        scores=known,
        done=sum(card["state"] == "done" for card in cards),
        failed=sum(card["state"] == "failed" for card in cards),
        running=sum(card["state"] == "running" for card in cards),
    )


def _card(row: Mapping[str, Any]) -> dict[str, Any]:
    row = checked(row)
    report = row["report"]
    kinds = {"before": "jpeg", "after": "jpeg", "overlay": "png"}
    return {
        **{name: row[name] for name in ("photo", "variant", "state", "error", "seconds", "seed")},
        **{name: _data(row[name], kind) for name, kind in kinds.items()},
        "scores": report["scores"],
        "prompt": report["prompt"],
        "kept": report["samples_changed_outside"],
        "notes": report["notes"],
    }


def _data(picture: bytes | None, kind: str) -> str | None:
    if picture is None:
        return None
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
