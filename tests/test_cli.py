"""The command line: what users type wrong gets one line and status 2, and leaves nothing behind."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.cli import main
from kit.competitions.cells import generate_cells

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def tiny_cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cells")
    generate_cells(folder, seed=2, n_train=60, n_test=8, size=32)
    return folder


@pytest.fixture
def kit(
    tmp_path: Path,
    tiny_cells: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs the command line in an empty folder with tiny cells in data/cells."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KIT_DATA", raising=False)
    monkeypatch.delenv("KIT_RUNS", raising=False)
    shutil.copytree(tiny_cells, tmp_path / "data" / "cells")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kit", *words])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


def table_of(folder: Path) -> list[str]:
    return (folder / "data/cells/train.csv").read_text().splitlines()


def rewrite(folder: Path, lines: list[str]) -> None:
    (folder / "data/cells/train.csv").write_text("\n".join(lines) + "\n")


def wrong_header(folder: Path) -> None:
    rewrite(folder, ["id;labels", *table_of(folder)[1:]])


def label_out_of_range(folder: Path) -> None:
    lines = table_of(folder)
    rewrite(folder, [*lines[:4], lines[4].split(",")[0] + ",28", *lines[5:]])


def label_not_a_number(folder: Path) -> None:
    lines = table_of(folder)
    rewrite(folder, [*lines[:4], lines[4].split(",")[0] + ",0 nucleus", *lines[5:]])


def duplicate_id(folder: Path) -> None:
    rewrite(folder, [*table_of(folder), table_of(folder)[1]])


def missing_channel(folder: Path) -> None:
    sorted((folder / "data/cells/train").glob("*_green.png"))[0].unlink()


def cut_png(folder: Path) -> None:
    png = sorted((folder / "data/cells/train").glob("*_red.png"))[3]
    png.write_bytes(png.read_bytes()[:-200])


def id_without_image(folder: Path) -> None:
    rewrite(folder, [*table_of(folder), "no-such-image,0"])


def no_data(folder: Path) -> None:
    shutil.rmtree(folder / "data/cells")


def nothing(folder: Path) -> None:
    pass


FOLDS = ("folds", "-c", "cells", "--n", "2")
PACK = ("pack", "-c", "cells", "--size", "16")
TRAIN = ("train", "convnet", "-c", "cells", "--size", "32")
LOOK = ("look", "convnet", "-c", "cells", "--size", "32")
CHANNELS = ("look", "--channels", "-c", "cells")


@pytest.mark.parametrize(
    ("spoil", "words", "message"),
    [
        (no_data, FOLDS, "train.csv does not exist. Generate it: kit data -c cells"),
        (no_data, PACK, "train.csv does not exist. Generate it: kit data -c cells"),
        (nothing, ("folds", "--n", "2"), "data/hpa/train.csv does not exist. Accept the r"),
        (nothing, ("folds", "--data", "nowhere"), "--data nowhere is not a folder"),
        (wrong_header, FOLDS, "header is 'id;labels', expected 'Id,Target'"),
        (label_out_of_range, FOLDS, "line 5: '28' is not a label. Allowed: the numbers 0 to 27"),
        (label_not_a_number, FOLDS, "line 5: 'nucleus' is not a label. Allowed: the numbers 0 to"),
        (duplicate_id, FOLDS, "', first on line 2"),
        (missing_channel, PACK, "_green.png"),
        (nothing, (*PACK[:3], "--size", "8"), "--size 8: images must be at least 16 pixels."),
        (cut_png, PACK, "_red.png is truncated or damaged"),
        (id_without_image, PACK, "ids in the table without an image: no-such-image"),
        (nothing, (*FOLDS[:3], "--n", "1"), "--n 1: 60 rows allow 2 to 60 folds"),
        (nothing, ("train", "inceptionv9", "-c", "cells"), "Did you mean 'inceptionv3'?"),
        (nothing, (*TRAIN, "--set", "epoch=3"), "Did you mean 'epochs'?"),
        (nothing, (*TRAIN, "--set", "epochs"), "--set expects key=value, got 'epochs'"),
        (nothing, (*TRAIN, "--set", "epochs=many"), "--set epochs=many: input should be a valid"),
        (nothing, (*TRAIN, "--set", "epochs=0"), "--set epochs=0"),
        (nothing, (*TRAIN, "--set", "loss=focall"), "No loss 'focall'. Known: asymmetric, bce,"),
        (
            nothing,
            (*TRAIN, "--set", "loss=focal(delta=1)"),
            "no parameter 'delta'; it takes gamma=2",
        ),
        (nothing, (*TRAIN, "--set", "augment=rotat"), "Did you mean 'rotate'?"),
        (nothing, (*TRAIN, "--set", "mix=mixupp"), "Did you mean 'mixup'?"),
        (nothing, (*TRAIN, "--set", "stem=conv1"), "Did you mean 'conv1x1'?"),
        (nothing, (*TRAIN, "--set", "head=gemm"), "Did you mean 'gem'?"),
        (nothing, (*TRAIN, "--set", "schedule=cosin"), "should be 'constant', 'cosine', 'onecycle"),
        (nothing, (*TRAIN, "--set", "backbone=vgg61"), "Did you mean 'vgg16'?"),
        (
            nothing,
            (*TRAIN, "--set", "backbone=inceptionv3"),
            "cannot be built for images of 32 pixels; the smallest size is 75.",
        ),
        (nothing, (*TRAIN, "--set", "accumulate=5"), "a batch of 32 does not divide into 5 equal"),
        (nothing, (*TRAIN, "--set", "sampling=table"), "27:10"),
        (nothing, (*TRAIN, "--extra", "more.csv"), "--extra expects CSV:IMAGES"),
        (nothing, (*TRAIN, "--seeds", "0,x"), "--seeds: expected comma-separated numbers"),
        (nothing, ("predict", "net", "-c", "cells"), "No run 'net' in runs/cells"),
        (nothing, ("look", "inceptionv9", "-c", "cells"), "Did you mean 'inceptionv3'?"),
        (nothing, (*LOOK, "--grid", "ten"), "--grid expects rows x columns, such as 10x5; got"),
        (nothing, (*LOOK, "--grid", "30x2"), "--grid 30x2: allowed are 1x1 to 20x20."),
        (nothing, (*LOOK, "--grid", "9x9"), "that is 81 images, and an epoch of convnet shows 64"),
        (nothing, (*LOOK, "--out", "seen.jpg"), "--out seen.jpg: pictures are PNG files. Name one"),
        (
            nothing,
            (*LOOK, "--out", "data/cells/train.csv/seen.png"),
            "data/cells/train.csv is not a folder.",
        ),
        (nothing, (*LOOK, "--set", "epochs"), "--set expects key=value, got 'epochs'"),
        (
            nothing,
            ("look", "-c", "cells"),
            "Name what to look at: kit look MODEL -c cells or kit look --channels ID -c cells",
        ),
        (nothing, (*CHANNELS, "nothing"), "No image 'nothing' in train.csv and sample_submission"),
        (nothing, CHANNELS, "Name what to look at: kit look MODEL -c cells or kit look --channels"),
        (
            nothing,
            (*CHANNELS, "x", "--grid", "2x2"),
            "--grid has no effect with --channels. It belongs to: kit look MODEL -c cells",
        ),
        (nothing, (*CHANNELS, "x", "--raw"), "--raw has no effect with --channels. It belongs to"),
        (nothing, (*CHANNELS, "x", "--size", "9"), "--size has no effect with --channels."),
        (nothing, (*CHANNELS, "x", "--set", "a=b"), "--set has no effect with --channels."),
        (nothing, (*CHANNELS, "x", "--out", "data"), "--out data: pictures are PNG files"),
        (
            nothing,
            (*TRAIN, "--folds", "a"),
            "--folds: expected comma-separated numbers like 0,1, or all; got 'a'",
        ),
        (nothing, TRAIN, "folds/cells.csv does not exist. Make it: kit folds -c cells"),
        (
            nothing,
            ("blend", "-c", "cells"),
            "folds/cells.csv does not exist. Make it: kit folds -c cells",
        ),
        (nothing, ("blend", "-c", "cells", "--method", "stak"), "Did you mean 'stack'?"),
        (nothing, ("blend", "-c", "cells", "--policy", "exakt"), "Did you mean 'exact'?"),
        (
            nothing,
            ("blend", "-c", "cells", "--policy", "fixed=x"),
            "needs a number, such as fixed=0.5",
        ),
        (nothing, ("blend", "-c", "cells", "--name", "a/b"), "--name a/b: use only letters"),
        (nothing, ("submit", "-c", "cells"), "No blend in runs/cells/blends. Make one: kit blend"),
        (nothing, ("report", "-c", "cells"), "No blend"),
        (nothing, ("folds", "-c", "flours"), "No competition 'flours'. Known: cells, hpa"),
        (nothing, ("folds", "-c", "mine.py"), "Competition file mine.py not found"),
        (nothing, ("models", "vgg61"), "Did you mean 'vgg16'?"),
        (nothing, ("models", "--summary"), "--summary needs the name of a recipe: kit models NAME"),
        (nothing, ("models", "vgg16", "--set", "stem=a"), "No stem 'a'. Known: as_is, conv1x1,"),
        (nothing, ("folds", "-c", "cells", "--groups", "g.csv"), "g.csv does not exist"),
        (
            nothing,
            ("score", "--predictions", "x.csv", "--labels", "data/cells/solution.csv"),
            "x.csv does not exist",
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_mistake_gets_one_line_and_leaves_nothing(
    kit: Run,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    words: tuple[str, ...],
    message: str,
) -> None:
    spoil(tmp_path)
    before = sorted(path for path in tmp_path.rglob("*"))
    status, _, err = kit(*words)
    assert status == 2
    assert message in err
    assert err.startswith("kit: ")
    assert err.count("\n") == 1
    after = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(after) == [path for path in before if path.is_file()]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['kit', '--help']\n"
        "from kit.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'keras', 'tensorflow', 'cv2', 'pyarrow', 'matplotlib',\n"
        "         'sklearn', 'optuna', 'kaggle', 'pydantic', 'jinja2', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "train" in done.stdout
    assert done.stdout.strip().endswith("[]")


def test_folds_are_printed_and_written_with_their_provenance(kit: Run, tmp_path: Path) -> None:
    status, out, _ = kit(*FOLDS)
    assert status == 0
    assert "27 Rods & rings" in out
    assert {path.name for path in (tmp_path / "folds").iterdir()} == {"cells.csv", "cells.json"}


def test_pack_says_where_the_store_is(kit: Run, tmp_path: Path) -> None:
    status, out, _ = kit(*PACK)
    assert status == 0
    assert "data/cells/store/16/train.npy: 60 images" in out
    assert (tmp_path / "data/cells/store/16/test.meta.json").exists()


def test_status_says_what_to_type_next(kit: Run) -> None:
    assert "Next: kit folds -c cells" in kit("status", "-c", "cells")[1]
    kit(*FOLDS)
    assert "Next: kit train MODEL -c cells" in kit("status", "-c", "cells")[1]
    assert "Next: Accept the rules" in kit("status")[1]
