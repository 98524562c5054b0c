"""One call of an edit: the caller's own guide, constraints and solver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from editkit.diffusion.constraints import Constraint
from editkit.diffusion.guides import Guide
from editkit.diffusion.solvers import Solver
from editkit.errors import InputError, shown
from editkit.keywords import check_names
from editkit.ops.edit import Edit
from editkit.ops.engine.tracker import Tracker, make_tracker
from editkit.ops.hooks import HOOKS, OwnConstraint
from editkit.ops.result import Result
from editkit.tensors import LatentMask, Latents

E = TypeVar("E", bound=Edit)


@dataclass(frozen=True, eq=False)
class Run:
    """The caller's own parts of one call of an edit, and its tracker."""

    guide: Guide | None = None
    constraints: tuple[OwnConstraint, ...] = ()
    solver: Solver | None = None
    tracker: Tracker = field(default_factory=Tracker)

    @property
    def has_makers(self) -> bool:
        """True if a constraint is made from the encoded picture."""
        return not all(isinstance(c, Constraint) for c in self.constraints)

    def bind(self, clean: Latents | None, mask: LatentMask) -> list[Constraint]:
        """The caller's constraints for one region.

        Args:
            clean: the encoded picture; None where there is none.
            mask: 1 where latents may change.

        Raises:
            InputError: one needs a picture, or is none.
        """
        return [_bound(own, clean, mask) for own in self.constraints]

    def mark(self, result: Result) -> Result:
        """The result, with the names of the caller's own parts in its report and record."""
        own = self._names()
        if not own:
            return result
        listed = "; ".join(f"{kind} {', '.join(names)}" for kind, names in own.items())
        note = f"made with parts of your own ({listed}): `editkit replay` cannot repeat it"
        report = {**result.report, "own": own, "notes": [*result.report["notes"], note]}
        record = None if result.record is None else {**result.record, "own": own}
        return replace(result, report=report, record=record)

    def _names(self) -> dict[str, list[str]]:
        parts = {"guide": (self.guide,), "constraints": self.constraints, "solver": (self.solver,)}
        own = {kind: [_name(p) for p in some if p is not None] for kind, some in parts.items()}
        return {kind: names for kind, names in own.items() if names}


def start_run(edit: E, hooks: Mapping[str, Any]) -> tuple[E, Run]:
    """The edit, with the solver that was named at the call, and its run.

    Raises:
        InputError: a hook is unknown, or of another kind.
    """
    check_names(type(edit).__name__, hooks, HOOKS)
    solver, guide = hooks.get("solver"), hooks.get("guide")
    if isinstance(solver, str):
        edit, solver = replace(edit, solver=solver), None
    if solver is not None and not isinstance(solver, Solver):
        raise InputError(f"solver is {shown(solver)}; give a name or a Solver")
    if guide is not None and (isinstance(guide, type) or not isinstance(guide, Guide)):
        raise InputError(f"guide is {shown(guide)}; give an object with branches and combine")
    return edit, Run(guide, _constraints(hooks.get("constraints", ())), solver, make_tracker(hooks))


def _constraints(given: object) -> tuple[OwnConstraint, ...]:
    if not isinstance(given, list | tuple):
        raise InputError(f"constraints is {shown(given)}; give a list of constraints")
    several = tuple(cast("Sequence[object]", given))
    for one in several:
        if not isinstance(one, Constraint) and not callable(one):
            raise InputError(f"constraints has {shown(one)}; give a Constraint, or what makes one")
    return cast("tuple[OwnConstraint, ...]", several)


def _bound(own: OwnConstraint, clean: Latents | None, mask: LatentMask) -> Constraint:
    if isinstance(own, Constraint):
        return own
    if clean is None:
        raise InputError(f"{_name(own)} needs a photo, and this edit has none; give a Constraint")
    made = own(clean, mask)
    if not isinstance(made, Constraint):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"{_name(own)} returns {shown(made)}; it must return a Constraint")
    return made


def _name(part: object) -> str:
    return str(getattr(part, "__name__", type(part).__name__))
