"""How long a blend of the real competition's size takes: `python bench/fitting.py`.

    python bench/fitting.py [--models 8] [--against CHECKOUT]

31,072 rows, 28 classes, five folds, and each fold model's own test predictions of 11,702 rows, all
simulated. Prints the seconds of `fit_decision`, those of all processors, and the memory of this
process and of its largest worker. With `--against`, the folder of another version, that one is
timed in turn with this one, each three times in a process of its own: machines are noisy, so
compare the ratio of the medians, not the seconds. `docs/thresholds.md` quotes this script's output.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from simulated import FOLDS, TEST_ROWS, simulate_models

from kit.core.terminal import say
from kit.data.predictions import to_logits, to_probs
from kit.ensemble.fitting import fit_decision
from kit.scores.oof import Unseen

HERE = Path(__file__).parent.parent
RUNS = 3
# The spread, in logits, between the models of different folds on one image.
APART = 0.5


def fit_once(models: int) -> dict[str, float]:
    """Fit a simulated blend: seconds of wall clock and of processors, and peak gigabytes."""
    world = simulate_models(0, models, alike=False)
    rng = np.random.default_rng(1)
    logits = to_logits(world.test_probs)
    tests = tuple(to_probs(logits + APART * rng.normal(size=logits.shape)) for _ in range(FOLDS))
    begun = time.perf_counter(), _processors()
    made = fit_decision(world.members, Unseen(np.arange(TEST_ROWS), tests)).decision
    seconds = time.perf_counter() - begun[0]
    stop_workers()
    return {
        "seconds": seconds,
        "processors": _processors() - begun[1],
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "worker": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20,
        "expected": made.expected,
    }


def stop_workers() -> None:
    """End joblib's processes, so that their time and memory count."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


def _processors() -> float:
    sides = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(side.ru_utime + side.ru_stime for side in sides)


def fit_elsewhere(checkout: Path, models: int) -> dict[str, float]:
    """The same with the code of a checkout, in a new process."""
    words = [sys.executable, str(Path(__file__)), "--models", str(models), "--once"]
    place = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(words, env=place, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Fit, and print a line per version."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--against", type=Path, help="a checkout of another version")
    parser.add_argument("--once", action="store_true", help="fit once in this process: JSON")
    args = parser.parse_args()
    if args.once:
        print(json.dumps(fit_once(args.models)))
        return
    places = [HERE] if args.against is None else [HERE, args.against.resolve()]
    runs = [[fit_elsewhere(place, args.models) for place in places] for _ in range(RUNS)]
    for place, of_place in zip(places, zip(*runs, strict=True), strict=True):
        middle = {key: statistics.median(one[key] for one in of_place) for key in of_place[0]}
        say(
            f"{place.name}: {args.models} models, {middle['seconds']:.0f} s, "
            f"{middle['processors']:.0f} s of processors, {middle['memory']:.1f} GB and "
            f"{middle['worker']:.1f} GB a worker, expected {middle['expected']:.4f}"
        )
    if args.against is not None:
        ratio = statistics.median(old["seconds"] / new["seconds"] for new, old in runs)
        say(f"{ratio:.1f} times as fast")


if __name__ == "__main__":
    main()
