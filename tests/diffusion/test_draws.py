import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from editkit.diffusion.draws import Keyed, Sequential


@given(seeds=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4))
def test_a_batch_draws_what_its_images_draw_alone(seeds: list[int]) -> None:
    batch = Keyed(tuple(seeds))("step", (len(seeds), 4, 3, 3), 7)
    alone = [Keyed((seed,))("step", (1, 4, 3, 3), 7) for seed in seeds]
    assert torch.equal(batch, torch.cat(alone))


def test_seed_purpose_and_move_each_make_another_stream() -> None:
    drawn = [
        Keyed((seed,))(purpose, (1, 64), index)
        for seed in (0, 1)
        for purpose in ("start", "step")
        for index in (0, 1)
    ]
    distinct = {tuple(x.flatten().tolist()) for x in drawn}
    assert len(distinct) == 8


def test_order_and_other_draws_do_not_matter() -> None:
    draws = Keyed((5,))
    first = draws("step", (1, 8), 3)
    draws("blend", (1, 8), 3)
    assert torch.equal(draws("step", (1, 8), 3), first)


def test_draws_are_standard_normal() -> None:
    x = Keyed((1,))("start", (1, 200_000))
    assert float(x.mean()) == pytest.approx(0, abs=0.01)
    assert float(x.std()) == pytest.approx(1, abs=0.01)


def test_a_batch_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(ValueError, match="2 seeds cannot serve a batch of 3"):
        Keyed((1, 2))("start", (3, 4))


def test_posteriors_are_taken_at_their_mode_or_drawn() -> None:
    assert not Keyed((1,)).posterior("image", (1, 4)).any()
    assert Sequential(torch.Generator().manual_seed(0)).posterior("image", (1, 4)).all()


def test_sequential_draws_are_the_generator_s_own() -> None:
    draws = Sequential(torch.Generator().manual_seed(3))
    reference = torch.Generator().manual_seed(3)
    for purpose in ("start", "step", "blend"):
        assert torch.equal(draws(purpose, (1, 4, 2)), torch.randn(1, 4, 2, generator=reference))
