"""The walks of an edit inside a mask: over the whole canvas, and once more in tiles."""

from dataclasses import dataclass, replace
from math import ceil

from editkit.diffusion.constraints import (
    ChangeMap,
    Coarse,
    Constraint,
    Hard,
    Known,
    blurred,
)
from editkit.diffusion.plans import Plan, first_level, linear
from editkit.diffusion.views import Views
from editkit.models.base import Model
from editkit.models.settings import Settings
from editkit.ops.engine.canvas import Canvas
from editkit.ops.engine.run import Run
from editkit.ops.engine.session import Session, open_session
from editkit.ops.engine.strategies import Strategy, strategy_of
from editkit.ops.masked_edit import MaskedEdit
from editkit.tensors import LatentMask, Latents, PixelMask, Pixels
from editkit.types import Size

_OVERLAP = 8
"""Windows overlap by this share of their side; their grid moves, so it need not be much."""

_COARSE = 2.0
"""Places of a state beyond which a pass in tiles paints nothing new: those of half the scale."""


@dataclass(frozen=True, eq=False)
class Walk:
    """A planned walk over one canvas.

    Attributes:
        session: the edit on the model.
        plan: the moves.
        strength: share of the schedule that is walked.
        strategy: gives the constraint that keeps the surroundings; None keeps nothing.
        keep_coarse: keep the low frequencies of the start, too.
    """

    session: Session
    plan: Plan
    strength: float
    strategy: Strategy | None
    keep_coarse: bool = False

    @property
    def calls(self) -> int:
        """Network calls."""
        return self.session.calls(self.plan)

    def latents(self, canvas: Canvas) -> Latents:
        """Clean latents of the canvas at the end of the walk."""
        session, run = self.session, self.session.run
        # A walk from pure noise without a constraint needs no encoded picture.
        needs_clean = self.strategy or self.strength < 1 or run.has_makers
        clean = session.encode("image", canvas.start) if needs_clean else None
        noise = session.noise(canvas.size)
        masks = canvas.mask, canvas.condition_mask
        hole = session.hole(canvas.pixels, masks[0] if masks[1] is None else masks[1])
        x = session.schedule.pure(noise)
        if clean is not None and self.strength < 1:
            x = session.schedule.start(clean, noise, self.plan.first)
        constraints = [] if clean is None else self._constraints(canvas, clean, noise)
        constraints += run.bind(clean, session.reduce(canvas.mask))
        return session.walk(x, self.plan, hole, constraints)

    def _constraints(self, canvas: Canvas, clean: Latents, noise: Latents) -> list[Constraint]:
        """The constraints of the edit itself."""
        coarse: list[Constraint] = [Coarse(clean, _COARSE)] if self.keep_coarse else []
        if self.strategy is None:
            return coarse
        known = _known(self.strategy.edit, self.session, canvas)
        return [*coarse, self.strategy.constraint(clean, noise, known)]


def plan_whole(edit: MaskedEdit, model: Model, size: Size, run: Run | None = None) -> Walk:
    """The walk over a whole canvas of `size` at once."""
    strategy, session = strategy_of(edit), open_session(edit, model, size, run)
    (_, strength), steps = strategy.start_settings(model.settings), session.schedule.steps
    plan = strategy.plan(steps, first_level(steps, strength))
    session.check(plan)
    return Walk(session, plan, strength, strategy if strategy.uses_constraint(model) else None)


def plan_tiles(edit: MaskedEdit, model: Model, mask: PixelMask, run: Run | None = None) -> Walk:
    """The walk that paints a canvas once more, through windows of the model's native size.

    Blending keeps the surroundings on every model, so that each window sees them at the noise of
    its level. The picture is there already, so half the steps suffice, straight down; frequencies
    that half the scale can show stay as they are.

    Args:
        edit: the options.
        model: the model.
        mask: where the canvas may change; only windows over it are painted.
        run: the caller's own parts.
    """
    settings, strength = model.settings, detail_strength(edit, model.settings)
    fewer = replace(edit, steps=ceil((edit.steps or settings.steps) / 2))
    session = open_session(fewer, model, Size(*mask.shape[-2:]), run)
    side = edit.work_size or settings.native_size
    session = views_for(session, session.reduce(mask), side)
    steps = session.schedule.steps
    plan = linear(steps, first_level(steps, strength))
    session.check(plan)
    return Walk(session, plan, strength, strategy_of(edit), keep_coarse=True)


def latents(edit: MaskedEdit, model: Model, canvas: Canvas) -> Latents:
    """Clean latents of the canvas with its hole repainted."""
    return plan_whole(edit, model, canvas.size).latents(canvas)


def refine_tiles(edit: MaskedEdit, model: Model, canvas: Canvas) -> Pixels:
    """The canvas painted once more from its start: see `plan_tiles`."""
    return paint_tiles(plan_tiles(edit, model, canvas.mask), canvas)


def paint_tiles(walk: Walk, canvas: Canvas) -> Pixels:
    """The canvas painted once more by a walk of `plan_tiles`; its own pixels outside of windows."""
    pixels = walk.session.decode(walk.latents(canvas), canvas.pixels)
    # An autoencoder shifts colors, too, differently in each window.
    return pixels + blurred(canvas.start - pixels, _COARSE * walk.session.model.latent_cell)


def _known(edit: MaskedEdit, session: Session, canvas: Canvas) -> Known:
    """What is known at each level: a soft mask is a strength for each latent."""
    if edit.compat:  # the pipelines know no soft masks
        return Hard(1 - session.reduce((canvas.mask > 0).float()))
    change = session.reduce(canvas.mask)
    return Hard(1 - change) if bool(((change == 0) | (change == 1)).all()) else ChangeMap(change)


def detail_strength(edit: MaskedEdit, settings: Settings) -> float:
    """Strength of the passes in tiles, with the model's recommendation; 0 for none."""
    return settings.detail if edit.detail is None else edit.detail


def views_for(session: Session, wanted: LatentMask, side: int) -> Session:
    """The session, its model looking at `wanted` through windows of `side` pixels."""
    field, places = Size(*wanted.shape[-2:]), max(1, side // session.model.latent_cell)
    window = Size(min(places, field.height), min(places, field.width))
    return replace(session, views=Views(field, window, places // _OVERLAP, wanted))
