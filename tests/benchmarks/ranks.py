"""Which score finds the best of several fills: `python tests/benchmarks/ranks.py FOLDER`.

FOLDER is as `quality.py` takes it. The built-in model fills each hole with several seeds. The fills
of a hole are put in order by each score that `--rank` knows, and this order is compared with that
of their perceptual distance from the truth (see `quality.py`), which no score was told: by
Spearman's correlation, averaged over the holes, and by what the fill that a score calls best gains
over any, in standard deviations of that distance over the fills of a hole. Prints a Markdown table.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quality import KINDS, Case, Perception, cases, judge
from scipy.stats import spearmanr

import editkit
from editkit.batch.ranking import badness
from editkit.names import PERCEPTUAL, SCORES
from editkit.ops.perceptual import judged

Values = NDArray[np.float64]

RANKS = (*((name,) for name in SCORES), ("seam", PERCEPTUAL), ("seam", "grain", PERCEPTUAL))
"""What `--rank` may be given: scores whose places are added up."""


class Measured:
    """What a run came to: for each score its correlations and gains, and seconds."""

    def __init__(self) -> None:
        names = [", ".join(rank) for rank in RANKS]
        self.rank: dict[str, list[float]] = {name: [] for name in names}
        self.gain: dict[str, list[float]] = {name: [] for name in (*names, "the truth")}
        self.edit = self.judge = 0.0

    def add(self, bad: dict[str, Values], true: Values) -> None:
        """Adds the fills of one hole; what cannot be put in order counts as no order."""
        off = (true - true.mean()) / true.std()
        self.gain["the truth"].append(float(off.min()))
        for rank in RANKS:
            name, values = ", ".join(rank), np.sum([places(bad[score]) for score in rank], axis=0)
            usable = float(np.ptp(values)) > 0
            found: Any = spearmanr(values, true) if usable else (0.0,)
            self.rank[name].append(float(found[0]))
            self.gain[name].append(float(off[values.argmin()]) if usable else 0.0)

    def table(self) -> str:
        """As Markdown."""
        lines = ["| rank | correlation | gain of the best |", "| --- | ---: | ---: |"]
        for name, gains in self.gain.items():
            rank, error = "1.00", ""
            if name in self.rank:
                rank = f"{np.mean(self.rank[name]):+.2f}"
                error = f" ± {np.std(self.rank[name]) / len(gains) ** 0.5:.2f}"
            lines.append(f"| {name} | {rank}{error} | {np.mean(gains):+.2f} |")
        return "\n".join(lines)


def places(values: Values) -> Values:
    """How many are better than each, as `editkit.batch.work.best_of` counts them."""
    return np.array([(values < value).sum() for value in values], np.float64)


def filled(case: Case, count: int, model: Any, measured: Measured) -> Iterator[editkit.Result]:
    """A hole's fills, each with all scores."""
    for seed in range(count):
        started = time.process_time()
        result = editkit.Inpaint(seed=seed)(model, case.photo, case.hole)
        edited = time.process_time()
        yield judged(result, model)
        measured.edit += edited - started
        measured.judge += time.process_time() - edited


def main() -> None:
    """Fills, puts in order, prints."""
    parser = argparse.ArgumentParser(description="Scores against the truth.")
    parser.add_argument("folder", type=Path, help="as quality.py takes it")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=int, metavar="N", help="only N photos, spread evenly")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    asked = parser.parse_args()
    model, perception, measured = editkit.load_model(device="cpu"), Perception(), Measured()
    for kind in asked.kinds:
        for case in cases(asked.folder, kind, asked.limit):
            fills = list(filled(case, asked.seeds, model, measured))
            true = [judge(np.asarray(f.image), case, perception, 0.0).perceptual for f in fills]
            scores = [fill.report["scores"] for fill in fills]
            bad = {n: np.array([badness(n, s[n]) for s in scores]) for n in SCORES}
            measured.add(bad, np.array(true))
    holes = len(measured.gain["the truth"])
    print(f"{holes} holes, {asked.seeds} fills of each\n\n{measured.table()}\n")
    share = measured.judge / measured.edit
    print(f"{PERCEPTUAL}: {share:.1%} of the processor time of the fill")


if __name__ == "__main__":
    main()
