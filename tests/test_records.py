"""Records of runs and blends that are another's or damaged: named, and restored by the command."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest
from bad_input import Place
from damage import edit_unsealed

from kit.cli import main

X, Y = Path("runs/own/x-imported-46586c1f"), Path("runs/own/y-imported-ba39c16f")
BEST = Path("runs/own/blends/best")
IMPORT = "kit import-predictions x --oof x-oof.csv --test x-test.csv -c own.py --data d"


def kit(place: Place, words: str) -> tuple[int, str]:
    """Run a command; its exit status and all that it printed."""
    place.capsys.readouterr()
    place.patch.setattr(sys, "argv", shlex.split(words))
    with pytest.raises(SystemExit) as left:
        main()
    shown = place.capsys.readouterr()
    return int(left.value.code or 0), shown.out + shown.err


VERIFY = "kit verify -c own.py --data d"


@pytest.mark.parametrize("name", ["recipe.json", "inputs.json", "run.json"])
def test_a_record_of_another_run_is_named_and_restored(finished: Place, name: str) -> None:
    whole = (X / name).read_bytes()
    shutil.copyfile(Y / name, X / name)
    status, said = kit(finished, VERIFY)
    assert status == 1
    assert f"{X / name} is of another run. Import it again: {IMPORT}\n" in said
    # Where the record tells the run, it is passed over; never used under another's name.
    assert kit(finished, "kit status -c own.py --data d")[0] == 0
    if name != "run.json":
        said = finished.refusal(f"blend {X.name} {Y.name} DATA --name new --method mean")
        assert f"{X / name} is of another run" in said
    assert kit(finished, IMPORT)[0] == 0
    assert (X / name).read_bytes() == whole
    assert kit(finished, VERIFY)[0] == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1, "words": 5}', "y's", None])
def test_the_saved_command_of_a_blend_is_restored(finished: Place, content: str | None) -> None:
    path = BEST / "command.json"
    whole = path.read_bytes()
    if content is None:
        path.unlink()
    elif content == "y's":  # of another blend
        assert kit(finished, "kit blend -c own.py --data d --name new --method mean")[0] == 0
        shutil.copyfile(BEST.parent / "new" / path.name, path)
    else:
        path.write_text(content)
    status, said = kit(finished, VERIFY)
    assert status == 1
    (line,) = [one for one in said.splitlines() if one.startswith(f"{path} ")]
    assert kit(finished, line.partition("Write it again: ")[2])[0] == 0
    assert path.read_bytes() == whole
    assert kit(finished, VERIFY)[0] == 0


def test_a_blend_of_an_earlier_version_has_no_saved_command(finished: Place) -> None:
    edit_unsealed(BEST / "decision.json", lambda content: None)
    assert kit(finished, VERIFY)[0] == 0
    (BEST / "command.json").unlink()
    assert kit(finished, VERIFY)[0] == 0


@pytest.mark.parametrize("damage", ["gone", "{", None])
def test_which_blend_is_the_newest_is_restored(finished: Place, damage: str | None) -> None:
    for name in ("other", "new"):
        assert kit(finished, f"kit blend -c own.py --data d --name {name} --method mean")[0] == 0
    path = BEST.parent / "latest.json"
    if damage == "gone":
        shutil.rmtree(BEST.parent / "new")
    elif damage is None:
        path.unlink()
    else:
        path.write_text(damage)
    assert f"{path} " in finished.refusal("submit DATA")
    status, said = kit(finished, VERIFY)
    assert status == 1
    (line,) = [one for one in said.splitlines() if one.startswith(f"{path} ")]
    assert kit(finished, line.partition("the newest: ")[2])[0] == 0
    status, said = kit(finished, VERIFY)
    assert f"{path} " not in said


@pytest.mark.parametrize("runs", ["", X.name, f"{X.name} {Y.name}"])
def test_imported_runs_have_no_model_of_all_rows(finished: Place, runs: str) -> None:
    said = finished.refusal(f"blend {runs} DATA --all-rows --name new")
    assert f"{X.name} was imported and has no models" in said
    assert "Blend without --all-rows" in said


def test_passwords_of_a_journal_are_in_no_file_and_no_output(finished: Place) -> None:
    """Also not while the study runs, when its locks and owners are there."""
    from kit.core.journal import Journal

    seen: list[str] = []
    run = Journal._run

    def look(self: Journal, *words: object) -> None:
        files = [path for path in finished.folder.rglob("*") if path.is_file()]
        seen.extend(path.read_bytes().decode(errors="ignore") for path in files)
        assert any(path.name.endswith(".owner.json") for path in files)
        run(self, *words)  # type: ignore[arg-type]

    finished.patch.setattr(Journal, "_run", look)
    finished.patch.setattr("kit.ensemble.studies.TRIALS", 2, raising=False)
    tune = "kit tune -c own.py --oof oof.parquet --labels d/train.csv --folds folds/own.csv"
    tune += " --policy tuned --out new.json --journal"
    for url, wanted in (
        (f"sqlite:///{finished.folder}/s.db?password=hidden0word", 0),
        ("sqlite:////proc/nothing/s.db?password=hidden0word", 2),
        ("postgresql://me:hidden0word@here/x", 2),
    ):
        status, said = kit(finished, f"{tune} {url}")
        assert status == wanted, said
        seen.append(said)
    files = [path for path in finished.folder.rglob("*") if path.is_file()]
    seen.extend(path.read_bytes().decode(errors="ignore") for path in files)
    assert not [text for text in seen if "hidden0word" in text]
