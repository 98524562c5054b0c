"""What a batch made, as one HTML page that needs nothing but a browser."""

import base64
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from editkit._version import __version__
from editkit.names import SCORES


def page(rows: Sequence[Mapping[str, Any]], title: str = "editkit batch") -> str:
    """The page of rows of a manifest (`editkit.batch.manifest.read_rows`).

    Pictures are in the page itself; every name and message is escaped.
    """
    import jinja2

    text = resources.files("editkit.batch").joinpath("report.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(text)
    cards = [_card(row) for row in rows]
    # What nobody has measured is nothing to sort by.
    known = [name for name in SCORES if any(c["scores"][name] is not None for c in cards)]
    return template.render(
        title=title,
        version=__version__,
        cards=cards,
        scores=known,
        done=sum(card["state"] == "done" for card in cards),
        failed=sum(card["state"] == "failed" for card in cards),
        running=sum(card["state"] == "running" for card in cards),
    )


def _card(row: Mapping[str, Any]) -> dict[str, Any]:
    report = json.loads(row["report"]) if row["report"] else {}
    scores = report.get("scores") or {}
    kinds = {"before": "jpeg", "after": "jpeg", "overlay": "png"}
    return {
        **{name: row[name] for name in ("photo", "variant", "state", "error", "seconds", "seed")},
        **{name: _data(row[name], kind) for name, kind in kinds.items()},
        "scores": {name: scores.get(name) for name in SCORES},
        "prompt": report.get("prompt") or "",
        "kept": report.get("samples_changed_outside"),
        "notes": report.get("notes") or [],
    }


def _data(picture: bytes | None, kind: str) -> str | None:
    if picture is None:
        return None
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
