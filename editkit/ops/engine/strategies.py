"""What tells one edit from another: its walk, its start, its solver, its constraint.

A new edit inside a mask is one more class here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from editkit.diffusion.constraints import Blend, Constraint, Known
from editkit.diffusion.plans import Plan, linear, repaint
from editkit.models.base import Model
from editkit.models.settings import Settings
from editkit.ops.edit import Edit
from editkit.ops.inpaint import Inpaint
from editkit.ops.masked_edit import MaskedEdit
from editkit.ops.outpaint import Outpaint
from editkit.ops.resample import Resample
from editkit.tensors import Latents

_START = 0.75
"""Strength from a prefill that was asked for, of models that recommend none."""


@dataclass(frozen=True)
class Strategy:
    """How an edit inside a mask walks; that of `Inpaint`, unless a kind has its own."""

    edit: MaskedEdit

    def start_settings(self, settings: Settings) -> tuple[str, float]:
        """Prefill and strength of the start, with the model's recommendation for what is open.

        Without a prefill a strength below 1 would start from what is to be removed; with one that
        was asked for, a strength of 1 would make nothing of it.
        """
        prefill = self.edit.prefill or settings.prefill
        strength = 1.0 if prefill == "none" else settings.strength
        if self.edit.prefill not in (None, "none") and strength == 1:
            strength = _START
        return prefill, self.edit.strength or strength

    def plan(self, steps: int, first: int) -> Plan:
        """The walk from level `first` of a schedule of `steps`: straight down."""
        return linear(steps, first)

    def uses_constraint(self, model: Model) -> bool:
        """True where a constraint holds the walk on `model` to what surrounds the hole.

        Models that are told what surrounds it need none, unless `Inpaint.blend_known` asks for one.
        """
        blend = isinstance(self.edit, Inpaint) and self.edit.blend_known
        return blend or not model.capabilities.inpainting

    def constraint(self, clean: Latents, noise: Latents, known: Known) -> Constraint:
        """The constraint that holds the `known` part of `clean`, with the start's own `noise`."""
        return Blend(clean, known, noise, lagging=self.edit.compat)


@dataclass(frozen=True)
class ResampleStrategy(Strategy):
    """RePaint: back and forth, on any model."""

    def plan(self, steps: int, first: int) -> Plan:
        """RePaint's walk."""
        edit = cast("Resample", self.edit)
        return repaint(steps, jump=edit.jump, repeats=edit.repeats, first=first)

    def uses_constraint(self, model: Model) -> bool:
        """True: that is the method."""
        del model
        return True

    def constraint(self, clean: Latents, noise: Latents, known: Known) -> Constraint:
        """Blending, with noise drawn afresh at every move."""
        del noise
        return Blend(clean, known)


@dataclass(frozen=True)
class OutpaintStrategy(Strategy):
    """As `Inpaint`, but for the start."""

    def start_settings(self, settings: Settings) -> tuple[str, float]:
        """Prefill and strength of the start; without a prefill, from what the frame holds."""
        method, strength = super().start_settings(settings)
        return (method if self.edit.prefill is not None else "none"), strength


_STRATEGIES: Mapping[type[Edit], type[Strategy]] = MappingProxyType(
    {MaskedEdit: Strategy, Resample: ResampleStrategy, Outpaint: OutpaintStrategy}
)
_SOLVERS: Mapping[type[Edit], str] = MappingProxyType({Resample: "ddpm"})
"""Solvers that a kind prefers: with RePaint, fresh noise helps the parts to agree."""


def strategy_of(edit: MaskedEdit) -> Strategy:
    """The strategy of an edit's class, or of the nearest class above it that has one."""
    return next(_STRATEGIES[kind] for kind in type(edit).__mro__ if kind in _STRATEGIES)(edit)


def solver_of(edit: Edit, settings: Settings) -> str:
    """The solver of an edit: the one that was named, the kind's own, or the recommended one."""
    own = (_SOLVERS[kind] for kind in type(edit).__mro__ if kind in _SOLVERS)
    return edit.solver or next(own, settings.solver)
