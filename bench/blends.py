"""Score of each blend method on fresh rows, and how accurate `auto`'s expected score is.

    python bench/blends.py [--worlds 4]

Eight simulated models and a training set of the real competition's size: models that see different
classes well, and models that differ only in noise. Reports each method's score on a fresh test set
and, for `auto`, the expected score from nested cross-fitting. All seeded.
"""

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
from simulated import SimulatedBlend, simulate_models

from kit.competitions.exact import decide
from kit.competitions.metrics import macro_f1
from kit.core.terminal import TERMINAL, say
from kit.ensemble.combine import METHODS, Fits
from kit.ensemble.fitting import Options, fit_decision
from kit.ensemble.thresholds import fold_mean
from kit.scores.oof import Unseen

MODELS = 8


def fresh_scores(world: SimulatedBlend) -> dict[str, float]:
    """Macro-F1 on the fresh rows: each method under fold-mean thresholds, then `auto`."""
    found = {}
    fits = Fits(world.members)
    for name in METHODS:
        thresholds = fold_mean(fits.sample(name))
        probs = fits.combination(name).apply(world.test_probs)
        found[name] = macro_f1(world.test_labels, decide(probs, thresholds))
    unseen = Unseen(np.arange(len(world.test_labels)), (world.test_probs,))
    options = Options(transfer="thresholds")
    decision = fit_decision(world.members, unseen, options, reporter=TERMINAL).decision
    say(f"  auto chose {decision.chosen.method} and {decision.chosen.policy}")
    found["auto"] = macro_f1(world.test_labels, decision.decide(unseen))
    found["auto, expected"] = decision.expected
    return found


def as_table(rows: Mapping[str, Sequence[dict[str, float]]]) -> str:
    """Markdown: one line per kind of models, averaged over its worlds."""
    titles = list(next(iter(rows.values()))[0])
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for name, worlds in rows.items():
        means = [float(np.mean([scores[title] for scores in worlds])) for title in titles]
        lines.append(f"| {name} | " + " | ".join(f"{one:.4f}" for one in means) + " |")
    return "\n".join(lines)


def main() -> None:
    """Simulate, blend, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=4, help="competitions per kind of models")
    worlds = parser.parse_args().worlds
    rows: dict[str, list[dict[str, float]]] = {}
    for alike in (False, True):
        name = f"{'similar' if alike else 'different'} models, {worlds} worlds"
        rows[name] = []
        for seed in range(worlds):
            rows[name].append(fresh_scores(simulate_models(seed, MODELS, alike)))
            say(f"{name}, {seed}: {rows[name][-1]}")
    for line in as_table(rows).splitlines():
        say(line)


if __name__ == "__main__":
    main()
