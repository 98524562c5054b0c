"""The same bytes from a Ray cluster, also when one of its nodes dies."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shell

from editkit.batch.inputs import find_photos
from editkit.batch.on_ray import OnRay
from editkit.batch.run import Batch
from editkit.errors import InputError

MakeBatch = Callable[..., Batch]


def results(folder: Path) -> dict[str, bytes]:
    return {k: v for k, v in shell.listing(folder).items() if not k.startswith(".editkit")}


@pytest.mark.filterwarnings("ignore")
def test_a_node_that_dies_loses_nothing(photos: Path, batch: MakeBatch) -> None:
    ray: Any = pytest.importorskip("ray")
    utils: Any = pytest.importorskip("ray.cluster_utils")
    for seed in range(6):
        shell.noise(32, 40, seed=20 + seed).save(photos / f"{seed}.png")
    cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    ended = list[str]()

    def listen(event: Any) -> None:
        ended.append(event["event"])
        if ended.count("done") == 2:
            cluster.remove_node(second, allow_graceful=False)

    try:
        engine = OnRay(cluster.address, workers=2)
        summary = batch(engine=engine, listen=listen).run(find_photos("photos"))
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert (summary.done, summary.failed) == (9, {})
    batch("whole").run(find_photos("photos"))
    assert results(Path("out")) == results(Path("whole"))


def test_without_ray_it_says_what_to_install(
    photos: Path, batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    del photos
    monkeypatch.setitem(sys.modules, "ray", None)
    made = dataclasses.replace(batch(), engine=OnRay())
    with pytest.raises(InputError, match=r"pip install 'editkit\[ray\]'"):
        made.run(find_photos("photos"))
