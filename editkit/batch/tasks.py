"""Tasks and their outcomes: plain values that cross processes."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from editkit.batch.recipes.recipe import Bound, Recipe
from editkit.redact import without_secrets

AHEAD = 2
"""Photos that are read before they are edited, and pictures that wait to be written."""

_ESCAPED = re.compile(r"\\x[89a-f][0-9a-f]")


@dataclass(frozen=True)
class Setup:
    """The settings that all photos of a batch share.

    Attributes:
        model: the argument of `load_model`, as are `device`, `dtype` and `offline`.
        saving: fields of `Saving` but for the signer; `sign` has its files.
        gates: the highest score that passes, by name.
        rank: scores that choose among candidates.
        frame: which picture of files of several.
        previews: makes small pictures for the report.
        threads: of PyTorch on the CPU; its own choice where None.
        batch_size: photos that share a call of the network; 1 shares none.
    """

    model: str
    device: str
    dtype: str
    offline: bool
    saving: Mapping[str, Any]
    sign: tuple[str, str] | None
    gates: Mapping[str, float]
    rank: tuple[str, ...]
    frame: int | None
    previews: bool = True
    threads: int | None = None
    batch_size: int = 1

    @property
    def edits_at_once(self) -> int:
        """Edits that run side by side: two more than share a call are at what needs no network."""
        return self.batch_size + 2 if self.batch_size > 1 else 1

    @property
    def window(self) -> int:
        """Tasks that a worker holds: read ahead, in work, and waiting to be written."""
        return 2 * AHEAD + 1 + self.edits_at_once

    @classmethod
    def of(cls, recipe: Recipe, *, previews: bool = True) -> "Setup":
        """The settings of a recipe."""
        names = ("jpeg", "provenance", "strict", "max_seam", "keep_records")
        return cls(
            model=recipe.model,
            device=recipe.device,
            dtype=recipe.dtype,
            offline=recipe.offline,
            saving={name: getattr(recipe, name) for name in names},
            sign=recipe.sign,
            gates=recipe.gates,
            rank=recipe.rank,
            frame=recipe.frame,
            previews=previews,
            batch_size=recipe.batch_size or 1,
        )


@dataclass(frozen=True)
class Task:
    """One picture to make.

    Attributes:
        photo: the photo's name in the batch: its path below the folder, as text.
        variant: which of several.
        source: the photo's file.
        output: where the picture goes.
        rejected: where it goes if it is over a limit.
        steps: the steps, their variables filled in.
        seeds: for each candidate, the seed of each step.
        settings: fingerprints of all that the picture depends on, beside the photo's bytes, by
            kind, as JSON: see `editkit.batch.plan.changed_parts`.
        mask_output: where the area that was edited goes, as a mask; None to write none.
        problem: why it cannot be done, where that is known before.
        replaces: True where a file at `output` may be replaced, because it is ours.
        writes: False where the picture is made and measured only.
    """

    photo: str
    variant: int
    source: str
    output: str
    rejected: str
    steps: tuple[Bound, ...]
    seeds: tuple[tuple[int, ...], ...]
    settings: str
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    masks: tuple[str | None, ...] = ()
    mask_output: str | None = None
    problem: str | None = None
    replaces: bool = False
    writes: bool = True

    @property
    def key(self) -> tuple[str, int]:
        """The key among all tasks of a run."""
        return self.photo, self.variant


@dataclass(frozen=True)
class Outcome:
    """The outcome of a task.

    Attributes:
        state: `done` or `failed`.
        error: why it failed, in one line.
        passing: True for a failure that may pass by itself.
        row: columns for the manifest.
        steps: rows of its steps.
        report: the report of the edit.
    """

    photo: str
    variant: int
    state: str
    error: str | None = None
    passing: bool = False
    row: Mapping[str, Any] = field(default_factory=dict[str, Any])
    steps: tuple[Mapping[str, Any], ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def key(self) -> tuple[str, int]:
        """Of which task."""
        return self.photo, self.variant


def seeds_of(recipe: Recipe, bound: Sequence[Bound], photo: str, number: int) -> tuple[int, ...]:
    """The seed of each step for one photo; `number` counts variants from 0.

    With `seeds: photo` they are SHA-256 of the seed, the photo's path and the step's place, so
    that they depend on neither order nor shard; with `same` the first step has the seed itself.
    A step that has a seed of its own counts from that one.
    """
    found = list[int]()
    for place, (step, made) in enumerate(zip(recipe.steps, bound, strict=True)):
        own = "seed" in step.options
        base = (made.edit.seed if own else recipe.seed) + number
        if recipe.seeds == "same" and (place == 0 or own):
            found.append(base)
            continue
        name = photo if recipe.seeds == "photo" else ""
        key = hashlib.sha256(f"{base}/{place}/{name}".encode()).digest()
        found.append(int.from_bytes(key[:8], "big") >> 1)
    return tuple(found)


def printable(path: PurePath | str) -> str:
    r"""A path as text that can be stored and shown: names are bytes, and need not be text.

    Bytes that are no text become `\xff`; where that could be meant as it stands, backslashes are
    doubled, so that no two paths become one text. Of a URL there is nothing secret in it.
    """
    name = os.fsencode(path)
    text = name.decode("utf-8", "backslashreplace")
    if _ESCAPED.search(text) is None:
        return without_secrets(text)
    return without_secrets(name.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace"))


def storable(text: str) -> str:
    """A text in which names may stand as Python has them, as one that can be stored and shown."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
