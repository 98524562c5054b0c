"""What all edits share: the one call of the sampler, with a model at one size."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from editkit.diffusion.constraints import Constraint
from editkit.diffusion.draws import Draws, Keyed, Sequential
from editkit.diffusion.guides import Cfg, Guided, Network, all_branches
from editkit.diffusion.levels import Schedule
from editkit.diffusion.plans import How, Plan, is_below_a_step
from editkit.diffusion.sampler import Watch, sample
from editkit.diffusion.solvers import Solver
from editkit.diffusion.views import Views, Window, blended, enlarged, viewed
from editkit.models.base import Model, make_network
from editkit.models.conditions import Conditions, Hole, Text
from editkit.ops.edit import Edit, Progress
from editkit.ops.engine.canvas import reduce_mask, sample_mask
from editkit.ops.engine.strategies import solver_of
from editkit.tensors import LatentMask, Latents, PixelMask, Pixels
from editkit.types import Size

_RING = 64
"""Pixels around a hole that are decoded with it, to see how well the patch agrees there."""


@dataclass(frozen=True)
class Session:
    """An edit on one model at one size: everything that the sampler wants but the start.

    Options that the edit leaves open are the model's recommendation here.
    """

    edit: Edit
    model: Model
    schedule: Schedule
    solver: Solver
    guidance: float
    draws: Draws
    progress: Progress | None = field(default=None, repr=False)
    views: Views | None = field(default=None, repr=False)
    """Windows of latents that the model looks through; None shows it the whole at once."""

    def encode(self, purpose: str, pixels: Pixels) -> Latents:
        """Latents of a picture; `purpose` names the draw of the posterior."""
        model, views = self.model, self.views
        shape = model.latent_shape(Size(*pixels.shape[-2:]), len(pixels))
        noise = self.draws.posterior(purpose, shape)
        if views is None:
            return model.encode(pixels, noise).cpu()
        # What any window will see that looks at what is wanted.
        near = views.near(max(views.window))
        parts = (
            (
                seen,
                [model.encode(pixels[..., *enlarged(seen, model.latent_cell)], noise[..., *seen])],
            )
            for seen in near.windows()
        )
        return blended(parts, [torch.zeros(shape)], views.overlap)[0]

    def decode(self, latents: Latents, otherwise: Pixels) -> Pixels:
        """Pixels of clean latents; `otherwise` is what no window shows."""
        model, views, cell = self.model, self.views, self.model.latent_cell
        if views is None:
            return model.decode(latents)
        parts = (
            (enlarged(seen, cell), [model.decode(latents[..., *seen]).cpu()])
            for seen in views.near(_RING // cell).windows()
        )
        return blended(parts, [otherwise], views.overlap * cell)[0]

    def noise(self, size: Size) -> Latents:
        """The noise that the walk starts from."""
        return self.draws("start", self.model.latent_shape(size))

    def hole(self, pixels: Pixels, mask: PixelMask) -> Hole | None:
        """What an inpainting model is told of a picture with a hole; None for other models."""
        told = self.model.capabilities.inpainting
        if not told and not self.edit.compat:
            return None
        # For other models the pipeline encodes the cut picture too, and does not use it.
        around = self.encode("masked", pixels * (mask == 0))
        return Hole(self.reduce(mask), around) if told else None

    def emptiness(self, size: Size) -> Hole | None:
        """What an inpainting model is told where there is nothing to keep: a hole of all."""
        if not self.model.capabilities.inpainting:
            return None
        # In memory as pictures are (`to_pixels`): an even picture leaves normalization nothing but
        # rounding errors to work on, and those differ with the layout.
        nothing = torch.zeros(1, 3, *size).to(memory_format=torch.channels_last)
        return self.hole(nothing, torch.ones(1, 1, *size))

    def reduce(self, mask: PixelMask) -> LatentMask:
        """A mask at latent size: where the sampler may change anything."""
        if self.edit.compat:
            return sample_mask(mask, self.model.latent_cell)
        growth = self.model.settings.mask_growth_latent
        return reduce_mask(mask, self.model.latent_cell, growth)

    def run(
        self, x: Latents, plan: Plan, hole: Hole | None, constraints: Sequence[Constraint] = ()
    ) -> Latents:
        """The sampler, with the model asked as the edit's guidance wants it."""
        edit, model = self.edit, self.model
        conditions = Conditions(Text(edit.prompt, edit.negative), hole, self.guidance)
        wanted = Cfg(self.guidance, edit.guidance_rescale, edit.guidance_interval)
        guide = model.guide(conditions.text, wanted)
        levels = dict.fromkeys(self.schedule[k] for move in plan for k in (move.i, move.j))
        model.check(conditions, all_branches(guide, levels))
        return sample(
            x,
            plan,
            self.schedule,
            Guided(self._network(conditions), guide, self.schedule.target),
            self.solver,
            draws=self.draws,
            constraints=constraints,
            watch=self._watch(plan),
        )

    def _network(self, conditions: Conditions) -> Network:
        """The model with its conditions, through windows if there are any."""
        model = self.model
        if self.views is None:
            return make_network(model, conditions)

        def at(seen: Window) -> Network:
            return make_network(model, conditions.cut(seen, model.latent_cell))

        return viewed(at, self.views)

    def _watch(self, plan: Plan) -> Watch | None:
        progress = self.progress
        if progress is None:
            return None
        down = [m.k for m in plan if m.how is not How.RENOISE]
        return lambda move, pred: progress(down.index(move.k) + 1, len(down))


def weak(steps: int, strength: float) -> list[str]:
    """A note where a strength is less than one step of the schedule."""
    if not is_below_a_step(steps, strength):
        return []
    return [
        f"a strength of {strength:g} is less than one of {steps} steps; one step was made, as "
        f"a strength of {1 / steps:.2g} makes it. More steps make finer strengths"
    ]


def open_session(edit: Edit, model: Model, size: Size, progress: Progress | None = None) -> Session:
    """A session of `edit` on `model` for pictures of `size`.

    Raises:
        InputError: the solver cannot make that many steps.
    """
    settings = model.settings
    steps = edit.steps or settings.steps
    schedule, solver = model.schedule(solver_of(edit, settings), steps, size)
    guidance = settings.guidance if edit.guidance is None else edit.guidance
    draws = Keyed((edit.seed,))
    if edit.compat:
        draws = Sequential(torch.Generator().manual_seed(edit.seed))
    return Session(edit, model, schedule, solver, guidance, draws, progress)
