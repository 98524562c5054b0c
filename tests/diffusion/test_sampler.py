"""The loop, the solvers and the constraints against a field that is known exactly."""

import itertools
import math
from collections.abc import Sequence

import pytest
import torch
from gaussian import HOLE, LEVELS, WIDTH, Fast, Field, distance, schedule, smooth_levels
from scipy.ndimage import gaussian_filter
from torch import Tensor

from editkit.diffusion.constraints import Blend, ChangeMap, Clamp, Coarse, Constraint, Hard
from editkit.diffusion.draws import Draws, Keyed
from editkit.diffusion.levels import Level, Pred, Schedule, Target
from editkit.diffusion.plans import How, Move, Plan, inversion, linear, repaint, travel
from editkit.diffusion.sampler import MEMORY, cost, levels_called, sample
from editkit.diffusion.solvers import Consistency, DpmPlusPlus2M, First, Heun, Solver, UniPC
from editkit.diffusion.step import Past, StepContext

MANY = 6_000

SOLVERS: dict[str, Solver] = {
    "first": First(),
    "first, eta 1": First(eta=1.0),
    "heun": Heun(),
    "heun, flow": Heun(sigma_space=False),
    "2m": DpmPlusPlus2M(),
    "2m sde": DpmPlusPlus2M(eta=1.0),
    "unipc": UniPC(),
    "unipc 3": UniPC(order=3),
}
KEEP = torch.ones(1, WIDTH, dtype=torch.float64)
KEEP[:, HOLE] = 0
KNOWN = KEEP[0] > 0
# A flow starts where sigma is infinite, so its Heun works in the flow's own time.
PAIRS = [(f, n) for f in LEVELS for n in SOLVERS if (f, n) != ("flow", "heun")]


@pytest.mark.parametrize(
    ("solver", "order"),
    [(First(), 1), (DpmPlusPlus2M(), 2), (Heun(), 2), (UniPC(order=1), 2), (UniPC(), 3)],
)
def test_each_solver_converges_at_its_order(solver: Solver, order: int) -> None:
    """UniPC's free corrector adds one to the order of its predictor (theorem 3.1 of the paper)."""
    errors = [ode_error(solver, steps) for steps in (40, 80, 160)]
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.35)


def ode_error(solver: Solver, steps: int) -> float:
    field = Field()
    # One clean level beyond the walk, so that no solver falls back to first order at its end.
    levels = (*smooth_levels(steps), Level(0.0, 1.0, 0.0))
    table = Schedule(levels, Target.V)
    x = field.at(levels[0], 16)
    walk = Plan(linear(steps + 1).moves[:-1])
    out = sample(x, walk, table, field, solver, draws=Fast())
    return float((out - field.exact(x, levels[0], levels[steps])).abs().max())


@pytest.mark.parametrize(("family", "name"), PAIRS)
def test_every_solver_samples_the_prior(family: str, name: str) -> None:
    field, table = Field(), schedule(family, 60)
    x = field.at(table[0], MANY)
    out = sample(x, linear(60), table, field, SOLVERS[name], draws=Fast())
    assert distance(out, torch.zeros(WIDTH, dtype=torch.float64), field.covariance) < 0.09


@pytest.mark.parametrize(("family", "name"), PAIRS)
def test_a_plan_s_cost_is_the_number_of_calls(family: str, name: str) -> None:
    table = schedule(family, 12)
    plans = [linear(12), linear(12, 5), repaint(12, jump=2, repeats=3, first=1)]
    plans.append(travel(12, low=3, high=6, repeats=4))
    for plan in plans:
        field = Field()
        x = field.at(table[plan.first], 2)
        sample(x, plan, table, field, SOLVERS[name], draws=Fast())
        assert field.levels == levels_called(plan, table, SOLVERS[name])
        assert len(field.levels) == cost(plan, table, SOLVERS[name])


def conditional_error(
    family: str, plan: Plan, constraint: type[Constraint], solver: Solver, *, fixed: bool
) -> float:
    """Distance of the hole to its true conditional, after a walk of 20 levels."""
    field, table = Field(), schedule(family, 20)
    known = field.sample(1, seed=0)[0]
    # As an edit starts: from noise alone where the first level is all noise.
    x = field.at(table[0], MANY)
    if constraint is Blend:
        noise = Fast(9)("fixed", tuple(x.shape)) if fixed else None
        held = Blend(known.expand_as(x), Hard(KEEP), noise)
    else:
        held = Clamp(known.expand_as(x), Hard(KEEP))
    out = sample(x, plan, table, field, solver, draws=Fast(), constraints=[held])
    assert torch.equal(out[:, KNOWN], known.expand_as(out)[:, KNOWN])
    return distance(out[:, HOLE], *field.conditional(known))


@pytest.mark.parametrize("family", LEVELS)
@pytest.mark.parametrize("fixed", [True, False])
def test_blending_alone_is_biased_by_a_known_amount(family: str, *, fixed: bool) -> None:
    error = conditional_error(family, linear(20), Blend, First(), fixed=fixed)
    assert 0.70 < error < 0.85


@pytest.mark.parametrize("family", LEVELS)
def test_repaint_lands_in_its_band(family: str) -> None:
    plan = repaint(20, jump=1, repeats=5)
    assert conditional_error(family, plan, Blend, First(eta=1.0), fixed=False) < 0.32
    assert 0.30 < conditional_error(family, plan, Blend, First(), fixed=False) < 0.45


@pytest.mark.parametrize("family", LEVELS)
def test_stochastic_steps_help_blending(family: str) -> None:
    error = conditional_error(family, linear(20), Blend, First(eta=1.0), fixed=False)
    assert 0.55 < error < 0.70


@pytest.mark.parametrize("family", LEVELS)
def test_clamping_lands_in_its_band(family: str) -> None:
    error = conditional_error(family, linear(20), Clamp, First(eta=0.85), fixed=False)
    assert 0.60 < error < 0.80


def few(family: str = "vp", batch: int = 1) -> tuple[Field, Schedule, Tensor]:
    field, table = Field(), schedule(family, 8)
    return field, table, field.at(table[0], batch)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_constraint_that_does_nothing_changes_no_bit(name: str) -> None:
    field, table, x = few()
    plan, draws = repaint(8, repeats=2), Keyed((4,))
    bare = sample(x, plan, table, field, SOLVERS[name], draws=draws)
    nothing = [Constraint(), Blend(x, Hard(torch.zeros_like(x)))]
    same = sample(x, plan, table, field, SOLVERS[name], draws=draws, constraints=nothing)
    assert torch.equal(bare, same)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_batch_of_four_is_four_singles(name: str) -> None:
    field, table, x = few(batch=4)
    plan, seeds = repaint(8, repeats=2), (3, 1, 4, 15)

    def walk(x: Tensor, draws: Draws) -> Tensor:
        held = [Blend(torch.zeros_like(x), Hard(KEEP))]
        return sample(x, plan, table, field, SOLVERS[name], draws=draws, constraints=held)

    together = walk(x, Keyed(seeds))
    alone = torch.cat([walk(x[k : k + 1], Keyed((seed,))) for k, seed in enumerate(seeds)])
    # The draws agree to the bit; a matrix product of four rows may round otherwise than of one.
    assert torch.allclose(together, alone, rtol=0, atol=1e-12)


def test_a_walk_goes_on_where_it_was_interrupted() -> None:
    field, table, x = few()
    plan, draws = repaint(8, repeats=3), Keyed((4,))
    whole = sample(x, plan, table, field, First(eta=1.0), draws=draws)
    middle = sample(x, Plan(plan.moves[:9]), table, field, First(eta=1.0), draws=draws)
    assert torch.equal(
        sample(middle, plan.rest(9), table, field, First(eta=1.0), draws=draws), whole
    )


def test_inversion_and_sampling_undo_each_other() -> None:
    field = Field()
    levels = smooth_levels(400)
    table = Schedule(levels, Target.V)
    x = field.at(levels[-1], 8)
    up = sample(x, inversion(400), table, field, First(), draws=Fast())
    down = sample(up, linear(400), table, field, First(), draws=Fast())
    assert float((down - x).abs().max()) < 0.04
    assert float((up - field.exact(x, levels[-1], levels[0])).abs().max()) < 0.04


class Spy(DpmPlusPlus2M):
    """Notes how much history each step is given."""

    lengths: list[int]

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "lengths", list[int]())

    def step(self, x: Tensor, pred: Pred, past: Sequence[Past], context: StepContext) -> Tensor:
        self.lengths.append(len(past))
        return super().step(x, pred, past, context)


def test_history_does_not_survive_a_jump() -> None:
    field, table = Field(), schedule("vp", 20)
    x, plan, spy = field.at(table[0], MANY), repaint(20, jump=5, repeats=3), Spy()
    out = sample(x, plan, table, field, spy, draws=Fast())
    after = [b.k for a, b in itertools.pairwise(plan) if a.how is How.RENOISE]
    downs = [m.k for m in plan if m.how is not How.RENOISE]
    assert {spy.lengths[downs.index(k)] for k in after} == {1}
    assert max(spy.lengths) == MEMORY
    ratio = float(torch.trace(torch.cov(out.T)) / torch.trace(field.covariance))
    assert ratio == pytest.approx(1, abs=0.06)


def test_a_change_map_frees_each_part_at_its_own_level() -> None:
    change = torch.tensor([0.0, 0.25, 0.5, 1.0])
    free = [
        [1 - float(k) for k in ChangeMap(change)(level)] for level in schedule("flow", 8).levels
    ]
    # With a flow the share of noise is its time: what may change by half is free from half on.
    times = [level.noisiness for level in schedule("flow", 8).levels]
    for time, row in zip(times, free, strict=True):
        assert row == [float(c > 0 and c >= time) for c in change.tolist()]


def test_a_change_map_bounds_how_far_a_part_moves() -> None:
    field, table, x = few(batch=64)
    known = field.sample(64, seed=3)
    moved = list[float]()
    for change in (0.0, 0.3, 0.6, 1.0):
        held = Blend(known, ChangeMap(torch.full_like(known, change)), lagging=False)
        out = sample(x, linear(8), table, field, First(), draws=Fast(), constraints=[held])
        moved.append(float((out - known).pow(2).mean()))
    assert moved[0] == 0
    assert moved == sorted(moved)


def test_what_is_coarse_is_kept_and_what_is_fine_is_free() -> None:
    draw = torch.Generator().manual_seed(0)
    clean, x0, x = (torch.randn(2, 3, 24, 40, generator=draw) for _ in range(3))
    level = Level(0.0, 0.6, 0.8)
    held = Coarse(clean, 2.0).clamp(Pred(x0, (x - 0.6 * x0) / 0.8), x, level)

    def coarse(state: Tensor) -> Tensor:
        sigmas = (0, 0, 2, 2)
        return torch.from_numpy(gaussian_filter(state.numpy(), sigmas, mode="nearest", truncate=3))

    assert torch.allclose(held.x0, x0 + coarse(clean) - coarse(x0), atol=1e-5)
    assert torch.allclose(level.a * held.x0 + level.s * held.eps, x, atol=1e-5)
    # Another color is as coarse as can be.
    tinted = Pred(clean + 0.7, (x - 0.6 * (clean + 0.7)) / 0.8)
    assert torch.allclose(Coarse(clean, 2.0).clamp(tinted, x, level).x0, clean, atol=1e-5)
    done = Level(0.0, 1.0, 0.0)
    assert Coarse(clean, 2.0).clamp(tinted, x, done) is tinted


def test_lagging_leaves_the_first_state_alone() -> None:
    seen = list[Tensor]()
    field, table, x = few()

    def spy(x: Tensor, level: Level) -> Pred:
        seen.append(x.clone())
        return field(x, level)

    held = Blend(torch.zeros_like(x), Hard(KEEP), torch.zeros_like(x), lagging=True)
    sample(x, linear(8), table, spy, First(), draws=Fast(), constraints=[held])
    assert torch.equal(seen[0], x)
    assert not seen[1][:, KNOWN].any()


def test_the_watcher_sees_every_step_down() -> None:
    moves = list[Move]()
    field, table, x = few()
    plan = repaint(8, repeats=2)

    def watched(move: Move, pred: Pred) -> None:
        assert pred.x0.shape == x.shape
        moves.append(move)

    sample(x, plan, table, field, First(), draws=Fast(), watch=watched)
    assert len(moves) == len(field.levels)


def test_consistency_ends_at_its_word() -> None:
    """The last jump is to clean: the prediction there, but for the boundary's share of `x`."""
    field, table = Field(), schedule("vp", 4)
    x = field.at(table[3], 4)
    out = sample(x, linear(4, 3), table, field, Consistency(), draws=Fast())
    assert torch.allclose(out, field(x, table[3]).x0, atol=1e-5)
