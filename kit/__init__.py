"""A competition kit for multilabel images: from folds to a scored submission.

In a notebook, on anyone's predictions:

    import kit

    folds = kit.make_folds(y, n=5)
    made = kit.blend(y, [probs_a, probs_b], fold=folds, tests=[tests_a, tests_b])
    made.expected, made.interval
    labels = made.decide([tests_a, tests_b])

Reference: docs/api.md. The names below are stable; each is imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kit.core.version import VERSION

if TYPE_CHECKING:
    from kit.api import blend, macro_f1, make_folds, tune
    from kit.ensemble.decision import Decision
    from kit.estimator import MultilabelThresholds


__version__ = VERSION

__all__ = [
    "Decision",
    "MultilabelThresholds",
    "blend",
    "macro_f1",
    "make_folds",
    "tune",
]

_HOME = {
    "Decision": "kit.ensemble.decision",
    "MultilabelThresholds": "kit.estimator",
    "blend": "kit.api",
    "macro_f1": "kit.api",
    "make_folds": "kit.api",
    "tune": "kit.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import kit` alone stays light."""
    if name not in _HOME:
        raise AttributeError(f"module 'kit' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
