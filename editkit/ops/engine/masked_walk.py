"""The walks of an edit inside a mask: over the whole canvas, and once more in tiles."""

from dataclasses import replace
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
from editkit.ops.edit import Progress
from editkit.ops.engine.canvas import Canvas
from editkit.ops.engine.session import Session, open_session
from editkit.ops.engine.strategies import Strategy, strategy_of
from editkit.ops.masked_edit import MaskedEdit
from editkit.tensors import LatentMask, Latents, Pixels
from editkit.types import Size

_OVERLAP = 8
"""Windows overlap by this share of their side; their grid moves, so it need not be much."""

_COARSE = 2.0
"""Places of a state beyond which a pass in tiles paints nothing new: those of half the scale."""


def latents(
    edit: MaskedEdit, model: Model, canvas: Canvas, progress: Progress | None = None
) -> Latents:
    """Clean latents of the canvas with its hole repainted."""
    strategy, session = strategy_of(edit), open_session(edit, model, canvas.size, progress)
    (_, strength), steps = strategy.start_settings(model.settings), session.schedule.steps
    plan = strategy.plan(steps, first_level(steps, strength))
    return _walk(
        session, canvas, plan, strength, strategy if strategy.uses_constraint(model) else None
    )


def _walk(
    session: Session,
    canvas: Canvas,
    plan: Plan,
    strength: float,
    strategy: Strategy | None,
    *,
    refines: bool = False,
) -> Latents:
    """Clean latents at the end of a walk; `strategy` gives its constraint, None leaves it free."""
    # A walk from pure noise that is held to nothing needs no encoding of the picture.
    clean = session.encode("image", canvas.start) if strategy or strength < 1 else None
    noise = session.noise(canvas.size)
    hole = session.hole(
        canvas.pixels, canvas.mask if canvas.condition_mask is None else canvas.condition_mask
    )
    x, constraints = session.schedule.pure(noise), list[Constraint]()
    if clean is not None and strength < 1:
        x = session.schedule.start(clean, noise, plan.first)
    if clean is not None and refines:
        constraints.append(Coarse(clean, _COARSE))
    if clean is not None and strategy is not None:
        known = _known(strategy.edit, session, canvas)
        constraints.append(strategy.constraint(clean, noise, known))
    return session.run(x, plan, hole, constraints)


def refine_tiles(
    edit: MaskedEdit, model: Model, canvas: Canvas, progress: Progress | None = None
) -> Pixels:
    """The canvas painted once more from its start, through windows of the model's own size.

    The surroundings are held by blending whatever the model, so that every window sees them at
    the level of noise that it works at. Where no window was, the canvas's pixels come back.
    What there is to paint is there already, so half the steps do, straight down; and what is
    as coarse as the places of a state at half the scale, where that was painted, stays so.
    """
    settings, strength = model.settings, detail_strength(edit, model.settings)
    fewer = replace(edit, steps=ceil((edit.steps or settings.steps) / 2))
    session = open_session(fewer, model, canvas.size, progress)
    side = edit.work_size or settings.native_size
    session = views_for(session, session.reduce(canvas.mask), side)
    steps = session.schedule.steps
    plan = linear(steps, first_level(steps, strength))
    latents = _walk(session, canvas, plan, strength, strategy_of(edit), refines=True)
    pixels = session.decode(latents, canvas.pixels)
    # An autoencoder shifts colors, too, and otherwise in each window.
    return pixels + blurred(canvas.start - pixels, _COARSE * model.latent_cell)


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
