"""The set of edits: each stands here once. Light: imports no torch.

Commands, recipe steps, functions, records and the reference follow from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from editkit.ops.composite import Composite
from editkit.ops.erase import Erase
from editkit.ops.generate import Generate
from editkit.ops.img2img import Img2Img
from editkit.ops.inpaint import Inpaint
from editkit.ops.outpaint import Outpaint
from editkit.ops.resample import Resample
from editkit.options import Fact, facts_of


@dataclass(frozen=True)
class Entry:
    """One edit.

    Attributes:
        name: of its command, its function and its step in recipes.
        kind: its class.
        inputs: what it is called with, in order: `model`, `photo` or `original`, `mask`, others.
        optional: those that may be left out.
        steps: true where recipes and batches may hold it.
    """

    name: str
    kind: type[Any]
    inputs: tuple[str, ...]
    optional: tuple[str, ...] = ()
    steps: bool = True

    @property
    def class_name(self) -> str:
        """The public name of its class, which records use."""
        return self.kind.__name__

    @property
    def summary(self) -> str:
        """The first line of its class's text."""
        return str(self.kind.__doc__).partition("\n")[0]

    @property
    def takes_mask(self) -> bool:
        """True where a mask may be given."""
        return "mask" in self.inputs

    @property
    def needs_mask(self) -> bool:
        """True where a mask must be given."""
        return self.takes_mask and "mask" not in self.optional

    @property
    def takes_model(self) -> bool:
        """True where a model makes it, if only by one of its methods."""
        return "model" in self.inputs

    @property
    def sources(self) -> tuple[str, ...]:
        """Files that a record must name for it to be repeated."""
        names = (name for name in self.inputs if name not in ("model", *self.optional))
        return tuple("original" if name == "photo" else name for name in names)

    @cached_property
    def options(self) -> Mapping[str, Fact]:
        """What a user can set, by name; the prompt is not among those of an edit without one."""
        takes_prompt = getattr(self.kind, "takes_prompt", True)
        return MappingProxyType(
            {
                name: fact
                for name, fact in facts_of(self.kind).items()
                if not fact.option.hidden and (name != "prompt" or takes_prompt)
            }
        )


_MASKED = ("model", "photo", "mask")
CATALOG: Mapping[str, Entry] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Entry("inpaint", Inpaint, _MASKED),
            Entry("erase", Erase, _MASKED),
            Entry("outpaint", Outpaint, ("model", "photo")),
            Entry("img2img", Img2Img, ("model", "photo")),
            Entry("resample", Resample, _MASKED),
            Entry("generate", Generate, ("model",), steps=False),
            Entry("composite", Composite, ("original", "edited", "mask"), ("mask",)),
        )
    }
)
"""All edits by name, in the order that help lists them."""

BY_CLASS: Mapping[str, Entry] = MappingProxyType({e.class_name: e for e in CATALOG.values()})
"""All edits by the names of their classes."""

MASK_OPTIONS = frozenset(
    name
    for entry in CATALOG.values()
    for fact in facts_of(entry.kind).values()
    if fact.option.rule
    for name in (fact.name, *fact.option.former)
)
"""Options of any edit whose text is a mask, by all names that they ever had."""
