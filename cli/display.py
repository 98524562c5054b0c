"""What a batch shows while it runs: a bar on a terminal, lines elsewhere, or JSON."""

import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from editkit.redact import shareable

from .output import line_of, put, put_json, put_path, say


@dataclass
class Display:
    """Tells of events: results on standard output, everything else on standard error."""

    as_json: bool
    quiet: bool
    bar: Any = None
    started: float = field(default_factory=time.monotonic)

    def event(self, event: Mapping[str, Any]) -> None:
        """Tells of one event."""
        event = shareable(event)
        if self.as_json:
            put_json(event, default=str)
        elif self.quiet:
            if event["event"] == "failed":
                self._say(f"{event['photo']}: {event['error']}")
        else:
            getattr(self, f"_{event['event']}")(event)

    def _plan(self, event: Mapping[str, Any]) -> None:
        for note in event["notes"]:
            self._say(note)
        why = ", ".join(f"{count} {reason}" for reason, count in event["reasons"].items())
        if event["changed"]:
            why = why.replace(" changed", f" changed: {' and '.join(event['changed'])}", 1)
        said = f"{event['to_do']} to do" + (f" ({why})" if why else "")
        said += f", {event['kept']} done before" if event["kept"] else ""
        if event["failed_before"]:
            said += f", {event['failed_before']} failed before (--retry failed tries them again)"
        self._say(said)
        if self.bar is not None:
            self.bar.reset(total=event["to_do"])

    def _done(self, event: Mapping[str, Any]) -> None:
        # How a mask was read is another thing for each; the report has all that was noted.
        for note in event.get("notes", ()):
            if note.startswith("the mask"):
                self._say(f"{event['photo']}: {note}")
        if self.bar is None:
            put_path(event["output"])
        else:
            self.bar.update()

    def _failed(self, event: Mapping[str, Any]) -> None:
        self._say(f"failed: {event['photo']}: {event['error']}")
        if self.bar is not None:
            self.bar.update()

    def _end(self, event: Mapping[str, Any]) -> None:
        said = f"{event['done']} done, {event['failed']} failed, {event['kept']} as they were"
        said += f", {event['left']} left" if event["left"] else ""
        rate = 60 * event["done"] / event["seconds"] if event["seconds"] else 0
        said += f", {event['seconds']} s" + (f", {rate:.0f} a minute" if event["done"] else "")
        self._say(said)

    def _would(self, event: Mapping[str, Any]) -> None:
        parts = event.get("changed")
        why = f"the {' and '.join(parts)} changed" if parts else event["why"]
        put(f"{why:20}  {event['output']}")

    def _estimate(self, event: Mapping[str, Any]) -> None:
        for note in event["notes"]:
            self._say(note)
        said = f"{event['photos']} to edit, {event['kept']} up to date"
        if "seconds_each" in event:
            said += f"; about {_duration(event['seconds'])} ({event['seconds_each']} s each) and "
            said += f"{event['memory'] / 2**20:.0f} MiB, measured on {event['measured']}"
        self._say(said)

    def _sample(self, event: Mapping[str, Any]) -> None:
        left = (
            f"; run again without --sample for the other {event['left']}" if event["left"] else ""
        )
        self._say(f"look at {event['sheet']}{left}")

    def _say(self, text: str) -> None:
        if self.bar is None:
            say(text)
        else:
            self.bar.write(line_of(text), file=sys.stderr)


@contextmanager
def batch_display(*, as_json: bool, quiet: bool) -> Generator[Display]:
    """A display; its bar is there on a terminal only."""
    if as_json or quiet or not sys.stderr.isatty():
        yield Display(as_json, quiet)
        return
    from tqdm import tqdm

    with tqdm(unit="photo", leave=False, file=sys.stderr, dynamic_ncols=True) as bar:
        yield Display(as_json, quiet, bar)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
