"""The library: what `import kit` offers, its checks, and docs/api.md as it stands."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import kit
from kit.competitions.registry import competitions
from kit.core.errors import UserError
from kit.data.predictions import Predictions, write_predictions
from kit.ensemble import Options
from kit.stages.tune import TuneInputs, tune_stage

ROOT = Path(__file__).parent.parent
ROWS, CLASSES, FOLDS = 240, 4, 3


class World:
    """Labels, two models' out-of-fold probabilities, and each fold's test predictions."""

    def __init__(self) -> None:
        rng = np.random.Generator(np.random.PCG64(7))
        self.y = (rng.random((ROWS, CLASSES)) < [0.5, 0.3, 0.2, 0.1]).astype(np.uint8)
        self.truth = (rng.random((ROWS // 2, CLASSES)) < [0.5, 0.3, 0.2, 0.1]).astype(np.uint8)
        self.fold = kit.make_folds(self.y, n=FOLDS)
        self.probs = [self._predict(rng, self.y, skill) for skill in (2.0, 3.0)]
        self.tests = [
            [self._predict(rng, self.truth, skill) for _ in range(FOLDS)] for skill in (2.0, 3.0)
        ]

    @staticmethod
    def _predict(
        rng: np.random.Generator, labels: NDArray[np.uint8], skill: float
    ) -> NDArray[np.float32]:
        logits = skill * (labels - 0.5) + rng.normal(0, 1, labels.shape)
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


# The face


def test_importing_the_kit_is_light() -> None:
    heavy = ["tensorflow", "keras", "torch", "matplotlib", "optuna", "kaggle", "pandas", "sklearn"]
    code = f"import sys, kit; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_face_is_exactly_what_it_says() -> None:
    names = {"make_folds", "tune", "blend", "Decision", "MultilabelThresholds", "macro_f1"}
    assert set(kit.__all__) == names
    assert names <= set(dir(kit))
    for name in names:
        assert getattr(kit, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'tuna'"):
        kit.tuna  # noqa: B018


def test_the_page_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert len(blocks) > 5
    space: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/api.md", "exec"), space)
    assert space["labels"].shape == space["y"].shape
    assert len(repr(space["made"]).splitlines()) == 2


# What it gives


def test_thresholds_are_those_of_the_command_line(world: World, tmp_path: Path) -> None:
    hpa = competitions.get("hpa")
    keys = hpa.class_keys
    rng = np.random.Generator(np.random.PCG64(3))
    y = (rng.random((ROWS, len(keys))) < 0.2).astype(np.uint8)
    y[:, 0] |= ~y.any(axis=1)
    probs = World._predict(rng, y, 2.0)
    tests = [World._predict(rng, y[:100], 2.0) for _ in range(FOLDS)]
    ids = tuple(f"row{number:03d}" for number in range(ROWS))
    fold = np.arange(ROWS) % FOLDS
    lines = ["Id,Target", *(
        f"{one}," + " ".join(keys[column] for column in np.flatnonzero(row))
        for one, row in zip(ids, y, strict=True)
    )]  # fmt: skip
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    write_predictions(tmp_path / "oof.parquet", Predictions(ids, probs, keys, fold), {})
    paths = []
    for number, test in enumerate(tests):
        paths.append(tmp_path / f"test{number}.parquet")
        write_predictions(paths[-1], Predictions(ids[:100], test, keys), {})
    inputs = TuneInputs(tmp_path / "oof.parquet", tmp_path / "train.csv", None, tuple(paths))
    typed = tune_stage(hpa, inputs, tmp_path / "decision.json", Options())
    called = kit.tune(y, probs, fold=fold, tests=tests)
    assert called.thresholds.tolist() == typed.thresholds.tolist()
    assert called.worth.score == typed.worth.score


def test_frames_are_aligned_by_index_and_columns(world: World) -> None:
    ids, names = [f"i{row}" for row in range(ROWS)], ["a", "b", "c", "d"]
    y = pd.DataFrame(world.y, index=ids, columns=names)
    probs = pd.DataFrame(world.probs[0], index=ids, columns=names)
    fold = pd.Series(world.fold, index=ids)
    plain = kit.tune(world.y, world.probs[0], fold=world.fold, tests=world.tests[0])
    tests = [pd.DataFrame(one, columns=names) for one in world.tests[0]]
    shuffled = [one.sample(frac=1, random_state=1)[names[::-1]] for one in tests[1:]]
    framed = kit.tune(
        y,
        probs.sample(frac=1, random_state=2)[names[::-1]],
        fold=fold.sample(frac=1, random_state=3),
        tests=[tests[0], *shuffled],
    )
    assert framed.class_keys == tuple(names)
    assert framed.thresholds.tolist() == plain.thresholds.tolist()
    assert framed.expected == plain.expected
    decided = framed.decide([tests[0], *shuffled])
    assert decided.tolist() == plain.decide(world.tests[0]).tolist()


class Tensor:
    """Like a tensor: it becomes an array, and its items are equal to nothing but themselves."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.values if dtype is None else self.values.astype(dtype)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, row: int) -> "Tensor":
        return Tensor(self.values[row])


@pytest.mark.parametrize(
    "given",
    [
        lambda array: array.tolist(),
        lambda array: tuple(map(tuple, array.tolist())),
        lambda array: array.astype(object),
        lambda array: array.astype(array.dtype.newbyteorder(">")),
        lambda array: np.repeat(array, 2, axis=0)[::2],
        Tensor,
        pd.DataFrame,
        lambda array: pd.DataFrame(array).convert_dtypes(),
        lambda array: pd.DataFrame(array).astype(object),
    ],
    ids=["lists", "tuples", "objects", "big-endian", "strided", "tensor", "frame", "nullable", "x"],
)
def test_tables_may_be_lists_tensors_and_frames_of_any_numeric_type(
    world: World, given: Callable[[NDArray[Any]], Any]
) -> None:
    plain = kit.tune(world.y, world.probs[0], world.fold, tests=world.tests[0], policy="fold-mean")
    tests = [given(one) for one in world.tests[0]]
    made = kit.tune(
        given(world.y), given(world.probs[0]), world.fold, tests=tests, policy="fold-mean"
    )
    assert made == plain
    assert made.decide(tests).tolist() == plain.decide(world.tests[0]).tolist()


def test_labels_of_several_types_in_a_frame(world: World) -> None:
    y = pd.DataFrame(world.y).astype({0: bool, 1: "boolean", 2: float, 3: "Int64"})
    assert kit.macro_f1(y, world.y) == 1.0


def test_frames_of_classes_in_another_order_are_aligned_where_y_names_none(world: World) -> None:
    names = ["a", "b", "c", "d"]

    def framed(table: NDArray[Any], order: list[str]) -> pd.DataFrame:
        return pd.DataFrame(table, columns=names)[order]

    tests = [of_member[0] for of_member in world.tests]
    plain = kit.blend(
        world.y, world.probs, world.fold, tests=tests, method="mean", policy="fold-mean"
    )
    swapped = [framed(tests[0], names), framed(tests[1], names[::-1])]
    assert plain.decide(swapped).tolist() == plain.decide(tests).tolist()
    probs = [framed(world.probs[0], names), framed(world.probs[1], names[::-1])]
    made = kit.blend(
        pd.DataFrame(world.y), probs, world.fold, tests=swapped, method="mean", policy="fold-mean"
    )
    assert made.thresholds.tolist() == plain.thresholds.tolist()
    assert kit.macro_f1(framed(world.y, names), framed(world.y, names[::-1])) == 1.0


@pytest.mark.parametrize("kind", [bool, float, np.int64])
def test_labels_may_be_bools_floats_or_integers(world: World, kind: type) -> None:
    made = kit.tune(world.y.astype(kind), world.probs[0], fold=world.fold, policy="exact")
    plain = kit.tune(world.y, world.probs[0], fold=world.fold, policy="exact")
    assert made.thresholds.tolist() == plain.thresholds.tolist()


@pytest.mark.parametrize(
    "name",
    [str, lambda n: n * 10**15, lambda n: (n, "slide"), lambda n: -n],
    ids=["texts", "huge", "tuples", "negative"],
)
def test_groups_are_any_hashables(world: World, name: Callable[[int], object]) -> None:
    groups = [name(row // 2) for row in range(ROWS)]
    fold = kit.make_folds(world.y, n=FOLDS, groups=groups)
    assert all(fold[0::2] == fold[1::2])
    made = kit.tune(world.y, world.probs[0], fold=fold, groups=groups, policy="fold-mean")
    assert 0 < made.interval[0] < made.expected < made.interval[1] < 1


def test_groups_in_a_tensor_are_known_by_their_values(world: World) -> None:
    groups = np.arange(ROWS) // 2
    plain = kit.make_folds(world.y, n=FOLDS, groups=groups)
    assert kit.make_folds(world.y, n=FOLDS, groups=Tensor(groups)).tolist() == plain.tolist()


def test_tests_are_one_array_or_one_a_fold_for_each_member(world: World) -> None:
    averaged = [np.mean(of_member, axis=0) for of_member in world.tests]
    made = kit.blend(
        world.y, world.probs, fold=world.fold, tests=averaged, method="mean", policy="fold-mean"
    )
    assert made.decide(averaged).shape == world.truth.shape
    by_fold = kit.blend(
        world.y, world.probs, world.fold, tests=world.tests, method="greedy", policy="exact"
    )
    assert by_fold.chosen.transfer == "averaged"
    assert by_fold.members == ("model0", "model1")
    score = kit.macro_f1(world.truth, by_fold.decide(world.tests))
    assert by_fold.interval[0] < score < by_fold.interval[1]


def test_a_class_without_positives_is_never_on(world: World) -> None:
    y = world.y.copy()
    y[:, 2] = 0
    made = kit.tune(y, world.probs[0], fold=world.fold)
    assert made.thresholds[2] == 2.0
    assert made.decide(world.tests[0][0])[:, 2].sum() == 0


def test_test_rows_widen_the_interval(world: World) -> None:
    few, many = (
        kit.tune(world.y, world.probs[0], fold=world.fold, policy="exact", test_rows=rows)
        for rows in (50, 5000)
    )
    assert few.interval[1] - few.interval[0] > many.interval[1] - many.interval[0]


# What it refuses

Mistake = tuple[str, Callable[[World], object]]


def tuned(world: World, **given: Any) -> object:
    return kit.tune(**{"y": world.y, "probs": world.probs[0], "fold": world.fold, **given})


MISTAKES: dict[str, Mistake] = {
    "logits": ("look like logits", lambda w: tuned(w, probs=w.probs[0] * 4 - 2)),
    "NaN": ("are NaN", lambda w: tuned(w, probs=np.where(w.probs[0] > 0.9, np.nan, w.probs[0]))),
    "y not 0/1": ("y is 2 in row 0", lambda w: tuned(w, y=w.y * 2 + (w.y == 0) * 2)),
    "y NaN": ("y is nan in row 0", lambda w: tuned(w, y=np.full(w.y.shape, np.nan))),
    "y texts": ("y of type", lambda w: tuned(w, y=w.y.astype(str))),
    "y of one dimension": (r"y of shape \(240,\)", lambda w: tuned(w, y=w.y[:, 0])),
    "one fold": ("a single fold", lambda w: tuned(w, fold=np.zeros(ROWS, int))),
    "fold -1": ("fold -1 in row", lambda w: tuned(w, fold=w.fold - 1)),
    "half folds": ("not whole numbers", lambda w: tuned(w, fold=w.fold + 0.5)),
    "folds too short": (r"fold of shape \(239,\)", lambda w: tuned(w, fold=w.fold[1:])),
    "other rows": ("model0 has 239 rows", lambda w: tuned(w, probs=w.probs[0][1:])),
    "other classes": ("for 4 classes: expected", lambda w: tuned(w, probs=w.probs[0][:, 1:])),
    "groups too short": ("239 groups for 240 rows", lambda w: tuned(w, groups=range(239))),
    "split groups": ("in the folds", lambda w: tuned(w, groups=["one"] * ROWS)),
    "lists as groups": ("must be hashable", lambda w: tuned(w, groups=[[0]] * ROWS)),
    "rows without group": ("without a group: 3", lambda w: tuned(
        w, groups=[None if row == 3 else row for row in range(ROWS)])),
    "policy": ("No policy 'exakt'.*Did you mean 'exact'", lambda w: tuned(w, policy="exakt")),
    "transfer": ("No transfer", lambda w: tuned(w, transfer="averages")),
    "averaged without tests": ("needs test predictions", lambda w: tuned(w, transfer="averaged")),
    "no test rows": ("test_rows 0", lambda w: tuned(w, test_rows=0)),
    "two tests for three folds": ("2 models for 3 folds", lambda w: tuned(w, tests=w.tests[0][:2])),
    "tests of other members": ("Test predictions of 2 members", lambda w: tuned(w, tests=w.tests)),
    "method": ("No method 'median'", lambda w: kit.blend(w.y, w.probs, w.fold, method="median")),
    "one array to blend": ("takes a list", lambda w: kit.blend(w.y, w.probs[0], w.fold)),  # type: ignore[arg-type]
    "no model": ("probs is empty", lambda w: kit.blend(w.y, [], w.fold)),
    "names": ("2 different names", lambda w: kit.blend(w.y, w.probs, w.fold, names=["a", "a"])),
    "unequal tests": ("2 and 3 fold models", lambda w: kit.blend(
        w.y, w.probs, w.fold, tests=[w.tests[0][:2], w.tests[1]])),
    "ids that differ": ("lack ids: 0", lambda w: tuned(
        w, y=pd.DataFrame(w.y), probs=pd.DataFrame(w.probs[0], index=range(1, ROWS + 1)))),
    "ids twice": ("duplicate ids: 0", lambda w: tuned(
        w, y=pd.DataFrame(w.y), probs=pd.DataFrame(w.probs[0], index=[0] * ROWS))),
    "columns of other names": ("no column for a", lambda w: tuned(
        w, y=pd.DataFrame(w.y, columns=list("abcd")),
        probs=pd.DataFrame(w.probs[0], columns=list("efgh")))),
    "text as probabilities": ("of type", lambda w: tuned(w, probs=w.probs[0].astype(str))),
    "ragged lists": ("cannot be read as an array", lambda w: tuned(w, y=[[0, 1], [1]])),
    "no labels at all": ("y of type NoneType", lambda w: tuned(w, y=None)),
    "no rows": (r"y of shape \(0, 4\)", lambda w: tuned(w, y=w.y[:0])),
    "masked": ("are NaN", lambda w: tuned(
        w, probs=np.ma.masked_array(w.probs[0], w.probs[0] > 0.9))),
    "missing in a nullable frame": ("are NaN", lambda w: tuned(
        w, probs=pd.DataFrame(w.probs[0]).astype("Float64").mask(w.y == 1))),
    "infinite folds": ("not whole numbers", lambda w: tuned(
        w, fold=np.where(w.fold == 1, np.inf, w.fold))),
    "huge folds": ("too large", lambda w: tuned(w, fold=np.where(w.fold == 1, 1e30, w.fold))),
    "folds as texts": ("fold of type", lambda w: tuned(w, fold=w.fold.astype(str))),
    "one number as groups": ("groups of type int", lambda w: tuned(w, groups=3)),
    "groups by id": ("groups of type dict", lambda w: tuned(w, groups=dict(enumerate(w.fold)))),
    "NA as group": ("without a group: 3", lambda w: tuned(
        w, groups=pd.Series(range(ROWS), dtype="Int64").mask(np.arange(ROWS) == 3))),
    "policy None": ("policy None: expected a name", lambda w: tuned(w, policy=None)),
    "policy list": ("expected a name", lambda w: tuned(w, policy=["exact"])),
    "method 3": ("method 3: expected", lambda w: kit.blend(w.y, w.probs, w.fold, method=3)),  # type: ignore[arg-type]
    "transfer None": ("transfer None: expected", lambda w: tuned(w, transfer=None)),
    "test rows as text": ("test_rows '10': expected a whole", lambda w: tuned(w, test_rows="10")),
    "half a test row": ("test_rows 10.5", lambda w: tuned(w, test_rows=10.5)),
    "test rows NaN": ("test_rows nan", lambda w: tuned(w, test_rows=float("nan"))),
    "too many test rows": ("at most 10,000,000", lambda w: tuned(w, test_rows=10**400)),
    "tests without rows": ("without rows", lambda w: tuned(w, tests=[w.tests[0][0][:0]] * FOLDS)),
    "a number as tests": ("tests of type float", lambda w: tuned(w, tests=0.5)),
    "tests by name": ("tests of type dict", lambda w: tuned(w, tests={"a": w.tests[0]})),
    "models by name": ("probs of type dict", lambda w: kit.blend(
        w.y, dict(zip("ab", w.probs, strict=True)), w.fold)),  # type: ignore[arg-type]
    "numbers as names": ("names has 1", lambda w: kit.blend(w.y, w.probs, w.fold, names=[1, 2])),  # type: ignore[list-item]
    "one text as names": ("names of type str", lambda w: kit.blend(
        w.y, w.probs, w.fold, names="ab")),
    "names of two lines": ("printable", lambda w: kit.blend(
        w.y, w.probs, w.fold, names=["a", "b\n"])),
    "n as text": ("n '5': expected a whole number", lambda w: kit.make_folds(w.y, n="5")),  # type: ignore[arg-type]
    "half a fold": ("n 2.5", lambda w: kit.make_folds(w.y, n=2.5)),  # type: ignore[arg-type]
    "seed None": ("seed None", lambda w: kit.make_folds(w.y, seed=None)),  # type: ignore[arg-type]
    "negative seed": ("--seed -1", lambda w: kit.make_folds(w.y, seed=-1)),
    "labels of other classes": ("no column for 3", lambda w: kit.macro_f1(
        pd.DataFrame(w.y, columns=list("abc3")), pd.DataFrame(w.y, columns=list("abcd")))),
    "probabilities as labels": ("labels is 0", lambda w: kit.macro_f1(w.y, w.probs[0])),
    "labels of another shape": ("labels of shape", lambda w: kit.macro_f1(w.y, w.y[1:])),
    "too many folds": ("2 to 240 folds", lambda w: kit.make_folds(w.y, n=241)),
    "decide on logits": ("look like logits", lambda w: kit.tune(
        w.y, w.probs[0], w.fold, policy="exact").decide(w.tests[0][0] * 9)),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(world: World, mistake: Mistake) -> None:
    said, make = mistake
    with pytest.raises(UserError, match=said) as raised:
        make(world)
    assert "\n" not in str(raised.value)


# The estimator


def test_the_estimator_is_one_of_scikit_learn(world: World) -> None:
    estimator = kit.MultilabelThresholds(policy="fold-mean")
    assert estimator.get_params() == {"policy": "fold-mean"}
    copied = clone(estimator).set_params(policy="exact")
    assert (estimator.policy, copied.policy) == ("fold-mean", "exact")
    fitted = copied.fit(world.probs[0], world.y, fold=world.fold)
    assert fitted is copied
    made = kit.tune(world.y, world.probs[0], fold=world.fold, policy="exact")
    assert fitted.thresholds_.tolist() == made.thresholds.tolist()
    assert (fitted.expected_, fitted.interval_) == (made.expected, made.interval)
    assert fitted.predict(world.tests[0][0]).shape == world.truth.shape
    logits = np.log(world.probs[0] / (1 - world.probs[0]))
    pipeline = make_pipeline(FunctionTransformer(lambda x: 1 / (1 + np.exp(-x))), clone(copied))
    pipeline.fit(logits, world.y, multilabelthresholds__fold=world.fold)
    assert pipeline.predict(logits).shape == world.y.shape
    assert 0 < pipeline.score(logits, world.y) < 1


def test_the_estimator_scores_frames_in_another_order(world: World) -> None:
    y, probs = pd.DataFrame(world.y), pd.DataFrame(world.probs[0])
    fitted = kit.MultilabelThresholds("exact").fit(probs, y, fold=world.fold)
    assert fitted.score(probs.iloc[::-1], y) == fitted.score(probs, y)


def test_an_estimator_that_is_not_fitted_says_so(world: World) -> None:
    with pytest.raises(ValueError, match="not fitted"):
        kit.MultilabelThresholds().predict(world.probs[0])
