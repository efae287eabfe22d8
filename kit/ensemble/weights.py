"""One weight a model: by greedy selection, or by a search over the simplex."""

import numpy as np
from numpy.typing import NDArray

from kit.ensemble.fast_f1 import FastF1
from kit.ensemble.members import Average, Members

BAGS = 5
ROUNDS = 25
# Rounds without a better score after which a bag has its weights.
PATIENCE = 3
TRIALS = 100


def greedy(members: Members) -> Average:
    """Add the model that helps the mean most, again and again, with replacement.

    Caruana et al. 2004, "Ensemble selection from libraries of models": each bag starts from the
    best single model, takes half of the groups, and stops when nothing better came in three
    rounds; the weights are the mean over the bags, of fixed seeds. So they are never negative and
    sum to one, which Purucker and Beel 2023 found to matter.
    """
    models = len(members.probs)
    groups = int(members.group.max()) + 1
    weights = np.zeros(models)
    for bag in range(BAGS):
        rng = np.random.Generator(np.random.PCG64(bag))
        weights += _one_bag(members.only((rng.random(groups) < 0.5)[members.group]))
    return Average(weights / weights.sum())


def _one_bag(members: Members) -> NDArray[np.float64]:
    rows = FastF1.of(members)
    models = np.eye(len(members.probs))
    chosen = np.zeros(len(models))
    best, best_score, waited = chosen, -1.0, 0
    for _ in range(ROUNDS):
        scores = [rows.score(chosen + model) for model in models]
        chosen = chosen + models[int(np.argmax(scores))]
        if max(scores) > best_score:
            best, best_score, waited = chosen, max(scores), 0
        else:
            waited += 1
        if waited == PATIENCE:
            break
    return best / best.sum()


def searched(members: Members) -> Average:
    """Weights on the simplex by Optuna's TPE, starting from equal weights.

    Bergstra et al. 2011. The score is fitted, which a weight a model cannot exploit much; whether
    it holds is for the cross-fitting around it to say.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = FastF1.of(members)
    models = len(members.probs)
    names = [f"model{position}" for position in range(models)]

    def objective(trial: "optuna.Trial") -> float:
        weights = np.array([trial.suggest_float(name, 0, 1) for name in names])
        return rows.score(weights) if weights.any() else 0.0

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.enqueue_trial(dict.fromkeys(names, 1.0))
    study.optimize(objective, n_trials=TRIALS if models > 1 else 1)
    weights = np.array([study.best_params[name] for name in names])
    return Average(weights / weights.sum())
