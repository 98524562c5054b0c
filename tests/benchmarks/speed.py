"""Time and memory of an edit: `python tests/benchmarks/speed.py`.

`against` (the default) puts editkit's Inpaint beside diffusers' own pipeline: the same weights, the
same solver, steps and guidance, float32 on the CPU. `cold` shows where the time of one edit of a
12-megapixel JPEG goes, from the start of Python to the file written.

Each measurement is a process of its own, since memory is freed for good only at its end, and the
sides take turns, since other work on the machine comes and goes; ratios are taken within a turn,
and their median is printed. CPU seconds of one thread hardly depend on what else is running.
"""

import argparse
import contextlib
import functools
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 512
PROMPT = "a wall of red brick"
GUIDANCE = 1.5
CASES = ("small", "full")
TITLES = {
    "small": "100-px mask, each tool as it comes",
    "full": "full mask, the same work (512 px)",
}

STAGES = {
    "reading the photo": ["editkit.ops.engine.masked:read_photo"],
    "reading the mask": ["editkit.ops.engine.masked:composite_reading"],
    "cutting, pre-filling": [
        "editkit.ops.engine.masked:crop_mask",
        "editkit.ops.engine.masked:make_canvas",
    ],
    "text encoder": ["editkit.models.sd:StableDiffusion.embed"],
    "VAE encode": ["editkit.models.sd:StableDiffusion.encode"],
    "UNet": ["editkit.models.sd:UNet2DConditionModel.forward"],
    "VAE decode": ["editkit.models.sd:StableDiffusion.decode"],
    "matching, composite, proof": [
        "editkit.ops.engine.masked:harmonize",
        "editkit.ops.engine.masked:composite",
        "editkit.ops.engine.masked:compare_samples",
    ],
    "encoding, proof of the file": ["editkit.ops.result:Result.encoded"],
    "writing": ["editkit.ops.result:write_bytes"],
}
"""What to time in a cold edit: names, looked up where they are called from."""


@dataclass(frozen=True)
class Cost:
    """What one process took: seconds in the edit, by the clock and of CPU, and in all; memory."""

    edit: float
    cpu: float
    whole: float
    mebibytes: float


def peak_mebibytes() -> float:
    """The most memory this process held at once; macOS counts bytes, Linux KiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


# In a process of its own.


def editkit_edit(case: str, photo: str, mask: str, steps: int) -> Callable[[], object]:
    """editkit, loaded; the full mask is worked on at the photo's size, as diffusers does."""
    import editkit

    size = SIDE if case == "full" else None
    edit = editkit.Inpaint(
        PROMPT,
        steps=steps,
        guidance=GUIDANCE,
        strength=1.0,
        prefill="none",
        solver="dpmpp_2m",
        work_size=size,
    )
    model = editkit.load_model(device="cpu", dtype="float32")
    return lambda: edit(model, photo, mask).image


def diffusers_edit(case: str, photo: str, mask: str, steps: int) -> Callable[[], object]:
    """diffusers, loaded, called as its documentation shows."""
    import torch
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionInpaintPipeline

    from editkit.models.builtin import builtin_folder

    del case
    pipe: Any = StableDiffusionInpaintPipeline.from_pretrained(
        builtin_folder(), torch_dtype=torch.float32, safety_checker=None
    )
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    return lambda: pipe(
        PROMPT,
        image=Image.open(photo),
        mask_image=Image.open(mask),
        height=SIDE,
        width=SIDE,
        num_inference_steps=steps,
        guidance_scale=GUIDANCE,
        strength=1.0,
        generator=torch.Generator().manual_seed(0),
    ).images[0]


TOOLS = {"editkit": editkit_edit, "diffusers": diffusers_edit}


def measure_tool(tool: str, case: str, photo: str, mask: str, steps: str) -> dict[str, float]:
    """Seconds of one edit after loading, without a warm-up; memory of the process."""
    edit = TOOLS[tool](case, photo, mask, int(steps))
    started, worked = time.perf_counter(), time.process_time()
    edit()
    spent, work = time.perf_counter() - started, time.process_time() - worked
    return {"edit": spent, "cpu": work, "mebibytes": peak_mebibytes()}


def clocks() -> NDArray[np.float64]:
    """Seconds by the clock, and of CPU in this process."""
    return np.array([time.perf_counter(), time.process_time()])


class Stopwatch:
    """Time by stage; what is timed inside another stage counts for the inner one alone."""

    def __init__(self) -> None:
        self.spent = defaultdict[str, NDArray[np.float64]](lambda: np.zeros(2))
        self.calls = Counter[str]()
        self.inner = [np.zeros(2)]

    @contextlib.contextmanager
    def timing(self, stage: str) -> Generator[None]:
        """Adds the time spent in the block to a stage."""
        started = clocks()
        self.inner.append(np.zeros(2))
        try:
            yield
        finally:
            spent = clocks() - started
            self.spent[stage] += spent - self.inner.pop()
            self.inner[-1] += spent
            self.calls[stage] += 1

    def watch(self, stage: str, name: str) -> None:
        """Times every call of `module:attribute` from now on."""
        module, _, path = name.partition(":")
        *owners, last = path.split(".")
        owner = functools.reduce(getattr, owners, importlib.import_module(module))
        function = getattr(owner, last)

        @functools.wraps(function)
        def timed(*args: Any, **options: Any) -> Any:
            with self.timing(stage):
                return function(*args, **options)

        setattr(owner, last, timed)


def measure_cold(photo: str, mask: str, out: str, steps: str) -> dict[str, Any]:
    """Time of each stage of a one-line edit with default settings."""
    watch = Stopwatch()
    with watch.timing("imports"):
        api = importlib.import_module("editkit.api")
        importlib.import_module("editkit.models.sd")
    for stage, names in STAGES.items():
        for name in names:
            watch.watch(stage, name)
    watch.watch("loading", "editkit.api:load_model")
    with watch.timing("the rest"):
        api.inpaint(photo, mask, PROMPT, steps=int(steps)).save(out)
    return {
        "spent": {stage: spent.tolist() for stage, spent in watch.spent.items()},
        "calls": dict(watch.calls),
        "cpu": time.process_time(),
        "mebibytes": peak_mebibytes(),
    }


MEASURES = {"tool": measure_tool, "cold": measure_cold}


# In the process that asks.


def ask(*words: str) -> tuple[float, dict[str, Any]]:
    """Seconds that a fresh process took in all, and what it measured."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "measure", *words],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    seconds = time.perf_counter() - started
    return seconds, json.loads(done.stdout.splitlines()[-1])


def run_tool(tool: str, case: str, folder: Path, steps: int) -> Cost:
    """One measurement of one tool."""
    photo, mask = folder / "photo.png", folder / f"{case}.png"
    whole, found = ask("tool", tool, case, str(photo), str(mask), str(steps))
    return Cost(whole=whole, **found)


def paint_small(folder: Path) -> None:
    """A 512-px photo, and masks of a 100-px square and of everything."""
    from skimage import data

    Image.fromarray(np.asarray(data.astronaut())).save(folder / "photo.png")
    Image.new("L", (SIDE, SIDE), 255).save(folder / "full.png")
    mask = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(mask).rectangle((206, 206, 305, 305), fill=255)
    mask.save(folder / "small.png")


def paint_large(folder: Path) -> None:
    """A 12-megapixel JPEG, and the mask of an ellipse about 500 px across."""
    from skimage import data

    photo = Image.fromarray(np.asarray(data.coffee()))
    photo.resize((4000, 3000), Image.Resampling.BICUBIC).save(folder / "photo.jpg", quality=92)
    mask = Image.new("L", (4000, 3000))
    ImageDraw.Draw(mask).ellipse((1800, 1300, 2300, 1700), fill=255)
    mask.save(folder / "mask.png")


def row(title: str, pairs: Sequence[tuple[Cost, Cost]]) -> str:
    """A row of medians, ours and theirs; ratios are theirs over ours, so 2 is twice as good."""
    cells = [title]
    for name in Cost.__dataclass_fields__:
        ours, theirs = ([asdict(cost)[name] for cost in side] for side in zip(*pairs, strict=True))
        ratio = statistics.median(t / o for o, t in zip(ours, theirs, strict=True))
        digits = 0 if name == "mebibytes" else 1
        shown = (statistics.median(ours), statistics.median(theirs))
        cells += [*(f"{value:.{digits}f}" for value in shown), f"{ratio:.2f}"]
    return f"| {' | '.join(cells)} |"


HEAD = f"""\
| case | edit s: editkit | diffusers | ratio | CPU s of the edit: editkit | diffusers | ratio \
| process s: editkit | diffusers | ratio | peak MiB: editkit | diffusers | ratio |
| --- {"| ---: " * 12}|"""


def against(folder: Path, steps: int, rounds: int) -> None:
    """Prints editkit beside diffusers."""
    paint_small(folder)
    print(HEAD)
    for case in CASES:
        turns = [
            [run_tool(tool, case, folder, steps) for tool in ("editkit", "diffusers")]
            for _ in range(rounds)
        ]
        print(row(TITLES[case], [(ours, theirs) for ours, theirs in turns]), flush=True)


def cold(folder: Path, steps: int, rounds: int) -> None:
    """Prints where a process' time goes; of several rounds the fastest, the least disturbed."""
    paint_large(folder)
    photo, mask = str(folder / "photo.jpg"), str(folder / "mask.png")
    tries = [ask("cold", photo, mask, str(folder / f"{n}.jpg"), str(steps)) for n in range(rounds)]
    whole, found = min(tries, key=lambda tried: tried[0])
    spent = dict[str, list[float]](found["spent"])
    timed = np.sum(list(spent.values()), axis=0)
    spent["starting and ending Python"] = [whole - timed[0], found["cpu"] - timed[1]]
    print("| stage | s | CPU s | calls |\n| --- | ---: | ---: | ---: |")
    for stage, (clock, cpu) in sorted(spent.items(), key=lambda item: -item[1][1]):
        print(f"| {stage} | {clock:.2f} | {cpu:.2f} | {found['calls'].get(stage, 1)} |")
    total = f"| in all | {whole:.2f} | {found['cpu']:.2f} | |"
    print(f"{total}\n\npeak: {found['mebibytes']:.0f} MiB")


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description="Time and memory: see this folder's README.md.")
    parser.add_argument("what", nargs="?", choices=("against", "cold"), default="against")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", help="of PyTorch; 1 is the steadiest on a busy machine")
    return parser.parse_args()


def main() -> None:
    """Measures in this process if so told by `ask`, else asks."""
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(MEASURES[sys.argv[2]](*sys.argv[3:])))
        return
    asked = arguments()
    if asked.threads:
        os.environ["OMP_NUM_THREADS"] = asked.threads  # the processes to come inherit it
    with tempfile.TemporaryDirectory() as folder:
        if asked.what == "cold":
            cold(Path(folder), asked.steps, asked.rounds)
        else:
            against(Path(folder), asked.steps, asked.rounds)


if __name__ == "__main__":
    main()
