"""The same bytes from a Ray cluster, also when one of its nodes dies."""

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import ray
import shell
from ray.cluster_utils import Cluster
from store import Bucket
from witness import AHEAD, Witnessed

from editkit.batch.engines.processes import here
from editkit.batch.engines.ray import OnRay, room_for
from editkit.batch.inputs import find_photos
from editkit.batch.recipes.recipe import Recipe
from editkit.batch.run import Batch
from editkit.batch.tasks import Setup
from editkit.errors import BatchError, InputError
from editkit.storage.url import place_of

pytestmark = pytest.mark.process

MakeBatch = Callable[..., Batch]

_SMALL = 80 * 2**20
"""The least shared memory that Ray takes."""


def results(folder: Path) -> dict[str, bytes]:
    return {k: v for k, v in shell.listing(folder).items() if not k.startswith(".editkit")}


@pytest.fixture
def many(photos: Path) -> Path:
    """Nine photos: more than one worker holds at a time."""
    for seed in range(6):
        shell.noise(32, 40, seed=20 + seed).save(photos / f"{seed}.png")
    return photos


@pytest.fixture(autouse=True)
def _what_nodes_inherit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where our edit is found (Ray's own way to say so takes longer), and two switches.

    A machine that is short of memory for other reasons is no reason to end workers.
    """
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "support"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster of one node with a CPU, to which others can be added."""
    made: Any = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "object_store_memory": _SMALL,
            "include_dashboard": False,
        },
    )
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


@pytest.mark.slow
def test_a_node_that_dies_loses_nothing(
    many: Path, batch: MakeBatch, cluster: Any, tmp_path: Path
) -> None:
    del many
    second = cluster.add_node(num_cpus=1, object_store_memory=_SMALL)
    killed = tmp_path / "killed"
    engine = OnRay(cluster.address, workers=2)
    seen = Witnessed(engine, tmp_path / "seen", meet=2, until=killed)

    def kill() -> None:
        """Ends a node while both have begun an edit, and lets the edits go on."""
        shell.wait_for(lambda: len(seen.at_work()) == 2)
        cluster.remove_node(second, allow_graceful=False)
        shell.wait_for(lambda: len(seen.at_work()) == 1)
        killed.touch()

    with ThreadPoolExecutor(1) as beside:
        ended = beside.submit(kill)
        summary = batch(engine=seen).run(find_photos("photos"))
        ended.result()
    assert (summary.done, summary.failed) == (9, {})
    assert len(seen.processes) == 2
    assert len(seen.begun) > 9  # what the lost one had begun was begun again
    same = dataclasses.replace(seen, engine=here)
    batch("whole", engine=same).run(find_photos("photos"))
    assert results(Path("out")) == results(Path("whole"))


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for what is temporary; a worker must find two photos in it at its second edit."""
    folder = tmp_path / "fetched"
    folder.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", tempfile.gettempdir())  # its sockets want a short name
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv(AHEAD, "2")
    return folder


@pytest.mark.slow
def test_workers_share_a_gpu_and_a_store(
    many: Path,
    batch: MakeBatch,
    bucket: Bucket,
    recipe: Recipe,
    fetched: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray believes what it is told of GPUs, so that who gets which can be seen without one.

    No worker edits its second photo before the third is fetched.
    """
    bucket.put_folder(many, "photos")
    source = f"{bucket.url}/photos"

    def made(engine: Any, out: str) -> Batch:
        return dataclasses.replace(batch(engine=engine), out=place_of(f"{bucket.url}/{out}"))

    options: dict[str, Any] = {
        "include_dashboard": False,
        "log_to_driver": False,
        "logging_level": "error",
    }
    ray.init(num_cpus=3, num_gpus=1, object_store_memory=_SMALL, **options)
    try:
        half = Witnessed(OnRay(gpus=0.5), tmp_path / "seen-half", meet=2)
        assert made(half, "half").run(find_photos(source)).done == 9
        whole = Witnessed(OnRay(workers=2, gpus=1), tmp_path / "seen-whole", pause=0.3)
        assert made(whole, "whole").run(find_photos(source)).done == 9
        with pytest.raises(BatchError, match="no node of the Ray cluster has 2 of a GPU"):
            made(OnRay(gpus=2), "none").run(find_photos(source))
        devices = {name: dataclasses.replace(recipe, device=name) for name in ("auto", "cpu")}
        gpus = {n: OnRay().gpus_of(ray, Setup.of(r)) for n, r in devices.items()}
    finally:
        ray.shutdown()
    monkeypatch.delenv(AHEAD)
    assert list(fetched.glob("editkit-*")) == []
    assert list(half.processes.values()) == ["0", "0"]
    assert list(whole.processes.values()) == ["0"]
    assert gpus == {"auto": 1.0, "cpu": 0.0}
    assert bucket.results("none") == {}
    for seen, out in ((half, "half"), (whole, "whole")):
        batch(out, engine=dataclasses.replace(seen, engine=here)).run(find_photos("photos"))
        assert bucket.results(out) == results(Path(out))
        assert len(results(Path(out))) == 9


@pytest.mark.parametrize(
    ("resources", "gpus", "workers"),
    [
        ({"CPU": 8.0}, 0.0, 8),
        ({"CPU": 8.0}, 1.0, 0),
        ({"CPU": 8.0, "GPU": 2.0}, 1.0, 2),
        ({"CPU": 8.0, "GPU": 2.0}, 0.4, 4),  # not five: none has a part of each
        ({"CPU": 8.0, "GPU": 2.0}, 1 / 3, 6),
        ({"CPU": 8.0, "GPU": 3.0}, 2.0, 1),
        ({"CPU": 1.0, "GPU": 2.0}, 0.5, 1),
        ({"GPU": 2.0}, 1.0, 0),
    ],
)
def test_how_many_workers_a_node_holds(
    resources: dict[str, float], gpus: float, workers: int
) -> None:
    assert room_for(resources, gpus) == workers


def test_more_than_one_gpu_is_a_whole_number() -> None:
    with pytest.raises(InputError, match=r"gpus is 1\.5; above 1, give a whole number"):
        OnRay(gpus=1.5)
    assert OnRay(gpus=2).gpus == 2


def test_without_ray_it_says_what_to_install(
    photos: Path, batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    del photos
    monkeypatch.setitem(sys.modules, "ray", None)
    made = dataclasses.replace(batch(), engine=OnRay())
    with pytest.raises(InputError, match=r"pip install 'editkit\[ray\]'"):
        made.run(find_photos("photos"))
