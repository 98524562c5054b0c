"""A session: an edit on a model at one size, and the one call of the sampler."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from editkit.diffusion.constraints import Constraint
from editkit.diffusion.draws import Draws, Keyed, Sequential
from editkit.diffusion.guides import Cfg, Guide, Guided, Network, all_branches
from editkit.diffusion.levels import Schedule
from editkit.diffusion.plans import Plan, is_below_a_step
from editkit.diffusion.sampler import levels_called, sample
from editkit.diffusion.solvers import Solver
from editkit.diffusion.views import Views, Window, blended, enlarged, viewed
from editkit.models.base import Model, make_network
from editkit.models.conditions import Conditions, Hole, Text
from editkit.ops.edit import Edit
from editkit.ops.engine.canvas import reduce_mask, sample_mask, to_rgb
from editkit.ops.engine.run import Run
from editkit.ops.engine.strategies import solver_of
from editkit.tensors import LatentMask, Latents, PixelMask, Pixels
from editkit.types import Rgb, Size

_RING = 64
"""Pixels around a hole that are decoded with it, to see how well the patch agrees there."""


@dataclass(frozen=True)
class Session:
    """An edit on one model at one size: all inputs of the sampler but the start.

    Attributes:
        edit: the options.
        model: the model.
        schedule: the levels of the walk.
        solver: the method of its steps.
        guidance: the guidance scale, the model's recommendation where the edit has none.
        guide: the caller's own, or that of the model's family.
        draws: the source of noise.
        run: the caller's own parts, and the tracker.
        views: windows of latents for the model; None gives it the whole at once.
    """

    edit: Edit
    model: Model
    schedule: Schedule
    solver: Solver
    guidance: float
    guide: Guide
    draws: Draws
    run: Run = field(default_factory=Run, repr=False)
    views: Views | None = field(default=None, repr=False)

    def encode(self, purpose: str, pixels: Pixels) -> Latents:
        """Latents of a picture; `purpose` names the draw of the posterior."""
        model, views = self.model, self.views
        shape = model.latent_shape(Size(*pixels.shape[-2:]), len(pixels))
        noise = self.draws.posterior(purpose, shape)
        if views is None:
            return model.encode(pixels, noise).cpu()
        # Every window that a wanted one can overlap.
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
        """Pixels of clean latents; those of `otherwise` where no window is."""
        model, views, cell = self.model, self.views, self.model.latent_cell
        if views is None:
            return model.decode(latents)
        parts = (
            (enlarged(seen, cell), [model.decode(latents[..., *seen]).cpu()])
            for seen in views.near(_RING // cell).windows()
        )
        return blended(parts, [otherwise], views.overlap * cell)[0]

    def noise(self, size: Size) -> Latents:
        """The noise at the start of the walk."""
        return self.draws("start", self.model.latent_shape(size))

    def hole(self, pixels: Pixels, mask: PixelMask) -> Hole | None:
        """The input of an inpainting model for a picture with a hole; None for other models."""
        inpainting = self.model.capabilities.inpainting
        if not inpainting and not self.edit.compat:
            return None
        # For other models the pipeline encodes the masked picture too, and does not use it.
        masked = self.encode("masked", pixels * (mask == 0))
        return Hole(self.reduce(mask), masked) if inpainting else None

    def emptiness(self, size: Size) -> Hole | None:
        """The input of an inpainting model where nothing is kept: a hole that is everything."""
        if not self.model.capabilities.inpainting:
            return None
        # The layout of `to_pixels`: normalization of an even picture gives rounding errors alone,
        # and those differ with the layout.
        nothing = torch.zeros(1, 3, *size).to(memory_format=torch.channels_last)
        return self.hole(nothing, torch.ones(1, 1, *size))

    def reduce(self, mask: PixelMask) -> LatentMask:
        """A mask at latent size: where the sampler may change anything."""
        if self.edit.compat:
            return sample_mask(mask, self.model.latent_cell)
        growth = self.model.settings.mask_growth_latent
        return reduce_mask(mask, self.model.latent_cell, growth)

    def calls(self, plan: Plan) -> int:
        """Network calls of a walk, each window counted."""
        levels = levels_called(plan, self.schedule, self.solver)
        if self.views is None:
            return len(levels)
        return sum(sum(1 for _ in self.views.at(level)) for level in levels)

    def check(self, plan: Plan) -> None:
        """Checks that the model can answer the guide in a walk.

        Raises:
            UnsupportedEditError: it cannot answer a branch.
            InputError: the guide gives something else than branches.
        """
        levels = dict.fromkeys(levels_called(plan, self.schedule, self.solver))
        self.model.check(self._conditions(None), all_branches(self.guide, levels))

    def walk(
        self, x: Latents, plan: Plan, hole: Hole | None, constraints: Sequence[Constraint] = ()
    ) -> Latents:
        """Clean latents at the end of a walk from `x`: the call of the sampler."""
        tracker = self.run.tracker
        network = self._network(self._conditions(hole))
        guided = Guided(network, self.guide, self.schedule.target)
        return sample(
            x,
            plan,
            self.schedule,
            tracker.watched(guided, self._preview),
            self.solver,
            draws=self.draws,
            constraints=constraints,
        )

    def _conditions(self, hole: Hole | None) -> Conditions:
        return Conditions(Text(self.edit.prompt, self.edit.negative), hole, self.guidance)

    def _network(self, conditions: Conditions) -> Network:
        """The model with its conditions, in windows if there are any, its calls counted."""
        model, tracker = self.model, self.run.tracker
        if self.views is None:
            return tracker.counted(make_network(model, conditions))

        def at(window: Window) -> Network:
            part = conditions.cut(window, model.latent_cell)
            return tracker.counted(make_network(model, part))

        return viewed(at, self.views)

    @torch.inference_mode()
    def _preview(self, latents: Latents) -> Rgb:
        """The picture of predicted latents."""
        cell, (rows, columns) = self.model.latent_cell, latents.shape[-2:]
        return to_rgb(self.decode(latents, torch.zeros(1, 3, rows * cell, columns * cell)))


def weak(steps: int, strength: float) -> list[str]:
    """A note where a strength is less than one step of the schedule."""
    if not is_below_a_step(steps, strength):
        return []
    return [
        f"a strength of {strength:g} is less than one of {steps} steps; one step was made, as "
        f"a strength of {1 / steps:.2g} makes it. More steps make finer strengths"
    ]


def open_session(edit: Edit, model: Model, size: Size, run: Run | None = None) -> Session:
    """A session of `edit` on `model` for pictures of `size`.

    Raises:
        InputError: the solver cannot make that many steps.
    """
    settings, run = model.settings, run or Run()
    steps = edit.steps or settings.steps
    schedule, solver = model.schedule(solver_of(edit, settings), steps, size)
    guidance = settings.guidance if edit.guidance is None else edit.guidance
    wanted = Cfg(guidance, edit.guidance_rescale, edit.guidance_interval)
    guide = run.guide or model.guide(Text(edit.prompt, edit.negative), wanted)
    draws = Keyed((edit.seed,))
    if edit.compat:
        draws = Sequential(torch.Generator().manual_seed(edit.seed))
    return Session(edit, model, schedule, run.solver or solver, guidance, guide, draws, run)
