"""Batches: what survives, how fast, how much memory: `python tests/benchmarks/batch.py`.

`prove` edits 300 photos made from the samples, ten of them broken in different ways, once without
being disturbed and once killed at random moments until it is done, and compares every byte. `speed`
puts `editkit batch` beside a loop of single commands and beside a script with diffusers' pipeline
that is loaded once: the same weights, steps and guidance, float32 on the CPU. `memory` follows the
memory of one worker over many photos. `share` asks the network for several photos in one call, and
says what that saves and whether every bit is the same.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[2]
EDITKIT = Path(sys.executable).with_name("editkit")
MASK = "ellipse:50%,50%,15%,15%"
NAMES = ("astronaut", "chelsea", "coffee", "rocket")
SIZES = ((64, 48), (96, 96), (120, 80), (160, 128))


def make_photos(folder: Path, count: int, sizes: Sequence[tuple[int, int]] = SIZES) -> list[Path]:
    """Photos of several sizes and formats, in folders within folders."""
    made: list[Path] = []
    for number in range(count):
        suffix = ("jpg", "png", "tif", "webp")[number // 4 % 4]
        file = folder / f"shoot{number % 3}" / f"day{number % 2}" / f"p{number:04}.{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(ROOT / "samples" / f"{NAMES[number % 4]}.jpg") as image:
            turned = image.convert("RGB").rotate(number % 360)
        turned.resize(sizes[number % len(sizes)]).save(file)
        made.append(file)
    return made


def damage(files: Sequence[Path]) -> None:
    """Ten photos broken in ten ways."""
    whole = [file.read_bytes() for file in files]
    ways = [
        b"",
        whole[1][: len(whole[1]) // 2],
        b"not a photo at all",
        whole[3][:20],
        bytes(len(whole[4])),
        whole[5][:8] + whole[5][200:],
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"II*\0" + b"\xff" * 64,
        b"GIF89a" + bytes(10),
        whole[9][::-1],
    ]
    for file, data in zip(files, ways, strict=True):
        file.write_bytes(data)


def results(folder: Path) -> dict[str, bytes]:
    """Every result and its bytes."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".editkit" not in file.parts
    }


def prove(options: argparse.Namespace, folder: Path) -> None:
    """Prints what became of photos, and of a batch that is killed again and again."""
    files = make_photos(folder / "in", options.photos)
    damage(files[:: options.photos // 10][:10])
    command = [str(EDITKIT), "batch", "inpaint", str(folder / "in"), "wood", "--mask", MASK]
    command += ["-m", options.model, "--steps", str(options.steps), "--device", "cpu"]
    command += ["--batch-size", options.batch_size]
    whole, took = told([*command, "-o", str(folder / "whole")])
    print(
        f"undisturbed: exit {whole.returncode}, {len(results(folder / 'whole'))} done, {took:.0f} s"
    )
    for line in whole.stderr.splitlines():
        if "failed: " in line:
            print(line.replace(str(folder), ""))
    again, took = told([*command, "-o", str(folder / "whole")])
    print(f"again: exit {again.returncode}, {took:.1f} s: {again.stderr.splitlines()[-1]}")
    kills = killed_often(command, folder / "killed", options)
    last, _ = told([*command, "-o", str(folder / "killed")])
    same = results(folder / "killed") == results(folder / "whole")
    print(f"killed {kills}; then exit {last.returncode}; the same bytes: {same}")


def told(command: Sequence[str]) -> tuple[subprocess.CompletedProcess[str], float]:
    """What a command says, and seconds."""
    started = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done, time.perf_counter() - started


def killed_often(command: list[str], out: Path, options: argparse.Namespace) -> str:
    """Kills a batch at random moments; how many results there were at each."""
    rng, counts = random.Random(options.seed), list[int]()  # noqa: S311
    for _ in range(options.kills):
        before = len(results(out)) if out.is_dir() else 0
        running = subprocess.Popen(
            [*command, "-o", out], stdout=-3, stderr=-3, start_new_session=True
        )
        target = before + rng.randint(0, options.photos // (options.kills + 1))
        while running.poll() is None and (not out.is_dir() or len(results(out)) <= target):
            time.sleep(rng.uniform(0.01, 0.2))
        # Every second time only the one that leads; its worker finds out by itself.
        (os.killpg if len(counts) % 2 else os.kill)(running.pid, signal.SIGKILL)
        running.wait()
        counts.append(len(results(out)))
    return f"{len(counts)} times, with {', '.join(map(str, counts))} results"


DIFFUSERS = """
import sys, torch
from pathlib import Path
from diffusers import DDIMScheduler, StableDiffusionInpaintPipeline
from PIL import Image, ImageDraw
model, source, out, steps = sys.argv[1:]
pipe = StableDiffusionInpaintPipeline.from_pretrained(
    model, torch_dtype=torch.float32, safety_checker=None)
pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
pipe.set_progress_bar_config(disable=True)
for file in sorted(Path(source).rglob("*.*")):
    image = Image.open(file).convert("RGB")
    mask = Image.new("L", image.size)
    w, h = image.size
    ImageDraw.Draw(mask).ellipse((w//2 - 30, h//2 - 30, w//2 + 30, h//2 + 30), fill=255)
    made = pipe("wood", image=image, mask_image=mask, width=w, height=h, strength=1.0,
                num_inference_steps=int(steps), guidance_scale=1.5,
                generator=torch.Generator().manual_seed(0)).images[0]
    made.save(Path(out) / file.name)
"""


def cpu_of(command: Sequence[str | Path]) -> tuple[float, float]:
    """Seconds by the clock, and of CPU of a process and those that it started."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return ended - started, used


def speed(options: argparse.Namespace, folder: Path) -> None:
    """Prints seconds for each photo of three ways to edit the same photos.

    Few photos and many are edited; the difference shows what one costs after starting and loading.
    """
    few, many = options.photos // 4, options.photos
    side, middle = options.side, options.side // 2
    mask = Image.new("L", (side, side))
    box = (middle - 30, middle - 30, middle + 30, middle + 30)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    mask.save(folder / "mask.png")
    print(f"{many} photos of {side}x{side}, {options.steps} steps, {os.cpu_count()} cores")
    first = [commands(options, folder, few), commands(options, folder, many)]
    for name in ("editkit batch", "diffusers, loaded once"):
        (wall0, cpu0), (wall1, cpu1) = (cpu_of(made[name]) for made in first)
        more = many - few
        each = ((wall1 - wall0) / more, (cpu1 - cpu0) / more)
        print(f"{name:24} {each[0]:7.2f} s a photo, {each[1]:7.2f} s of CPU, after the start;")
        print(f"{'':24} {wall1 / many:7.2f} s a photo, {cpu1 / many:7.2f} s of CPU, all in")
    wall, cpu = cpu_of(first[0]["a single command"])
    print(f"{'a single command':24} {wall:7.2f} s a photo, {cpu:7.2f} s of CPU, all in")


def commands(options: argparse.Namespace, folder: Path, count: int) -> dict[str, list[str]]:
    """The same edits in three ways."""
    from editkit.models.builtin import builtin_folder

    source, mask = folder / f"in{count}", str(folder / "mask.png")
    files = make_photos(source, count, [(options.side, options.side)])
    settings = ["-m", options.model, "--steps", str(options.steps), "--guidance", "1.5"]
    settings += ["--solver", "ddim", "--strength", "1", "--prefill", "none", "-q"]
    settings += ["--device", "cpu"]
    (folder / f"d{count}").mkdir()
    model = str(builtin_folder()) if options.model == "builtin" else options.model
    batch = [str(EDITKIT), "batch", "inpaint", str(source), "wood", "--mask", mask]
    batch += ["--batch-size", options.batch_size]
    single = [str(EDITKIT), "inpaint", str(files[0]), mask, "wood"]
    script = [sys.executable, "-c", DIFFUSERS, model, str(source), str(folder / f"d{count}")]
    return {
        "editkit batch": [*batch, "-o", str(folder / f"out{count}"), *settings],
        "a single command": [*single, "-o", str(folder / "one.png"), *settings],
        "diffusers, loaded once": [*script, str(options.steps)],
    }


def memory(options: argparse.Namespace, folder: Path) -> None:
    """Prints the most memory that a worker has held, after each tenth of the photos."""
    make_photos(folder / "in", options.photos)
    out = folder / "out"
    command = [str(EDITKIT), "batch", "inpaint", str(folder / "in"), "wood", "--mask", MASK]
    command += ["-m", options.model, "--steps", str(options.steps), "--device", "cpu", "-q"]
    command += ["--batch-size", options.batch_size]
    subprocess.run([*command, "-o", out], check=True)
    db = sqlite3.connect(out / ".editkit" / "manifest.sqlite")
    rows = db.execute("select peak from photos order by finished").fetchall()
    peaks = np.array([peak for (peak,) in rows]) / 2**20
    shown = {int(k): round(float(peaks[int(k) - 1])) for k in np.linspace(1, len(peaks), 11)}
    print(f"MiB after so many photos: {json.dumps(shown)}")


def share(options: argparse.Namespace, folder: Path) -> None:
    """Prints seconds of CPU for a photo at each number of photos in a call of the network."""
    del folder
    import torch

    from editkit import load_model
    from editkit.diffusion.guides import COND, UNCOND
    from editkit.models.base import Request
    from editkit.models.conditions import Conditions, Hole, Text
    from editkit.types import Size

    model = load_model(options.model, device="cpu")
    schedule, _ = model.schedule("ddim", 10, Size(options.side, options.side))
    shape = model.latent_shape(Size(options.side, options.side))
    draw = torch.Generator().manual_seed(options.seed)

    def request(number: int) -> Request:
        x, around = (torch.randn(shape, generator=draw) for _ in range(2))
        hole = Hole(torch.ones(1, 1, *shape[2:]), around)
        given = hole if model.capabilities.inpainting else None
        level = schedule.levels[number % 9]
        return Request(x, level, (UNCOND, COND), Conditions(Text(f"wood {number}"), given, 1.5))

    requests = [request(number) for number in range(8)]
    alone = [model.predict([one])[0] for one in requests]
    print(f"{options.side}x{options.side}, {torch.get_num_threads()} threads")
    sizes = (1, 2, 4, 8)
    took: dict[int, list[tuple[float, float]]] = {size: [] for size in sizes}
    same = dict.fromkeys(sizes, True)
    for _ in range(options.rounds):  # in turns: other work on the machine is then all sizes' lot
        for size in sizes:
            started, used = time.perf_counter(), time.process_time()
            parts = [model.predict(requests[k : k + size]) for k in range(0, 8, size)]
            took[size].append((time.perf_counter() - started, time.process_time() - used))
            answers = [tensor for part in parts for answer in part for tensor in answer]
            same[size] &= all(map(torch.equal, answers, [t for one in alone for t in one]))
    for size in sizes:
        wall, cpu = (1000 * min(times) / 8 for times in zip(*took[size], strict=True))
        print(
            f"{size} in a call: {wall:7.1f} ms, {cpu:7.1f} ms of CPU each; "
            f"the same bits: {same[size]}"
        )


def main() -> None:
    """Runs one of the four."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("prove", "speed", "memory", "share"))
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", default="1")
    parser.add_argument("--model", default="builtin")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="editkit-batch-"))
    try:
        done = {"prove": prove, "speed": speed, "memory": memory, "share": share}
        done[options.what](options, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
