"""Use the sampler itself: a plan of your own (time travel), on the model's own denoiser."""

import torch

from editkit import load_model
from editkit.diffusion.draws import Keyed
from editkit.diffusion.guides import Cfg, Guided
from editkit.diffusion.plans import travel
from editkit.diffusion.sampler import cost, sample
from editkit.models.base import make_network
from editkit.models.conditions import Conditions, Hole, Text
from editkit.types import Size

model, size, draws = load_model(), Size(128, 128), Keyed((7,))
schedule, solver = model.schedule("ddpm", 8, size)
plan = travel(8, low=2, high=5, repeats=3)
shape = model.latent_shape(size)
empty = model.encode(torch.zeros(1, 3, *size), torch.zeros(shape))
conditions = Conditions(Text("brick"), Hole(torch.ones(1, 1, *shape[2:]), empty))

print(f"the plan {plan} asks the network {cost(plan, schedule, solver)} times")
denoise = Guided(make_network(model, conditions), Cfg(2.0), schedule.target)
start = schedule.pure(draws("start", shape))
latents = sample(start, plan, schedule, denoise, solver, draws=draws)
print("latents", tuple(latents.shape), "of deviation", round(float(latents.std()), 2))
