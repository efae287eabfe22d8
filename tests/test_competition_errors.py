"""Errors in a competition's own code: one line with its file, its line and the exception."""

import sys

import pytest
from bad_input import COMPETITION, Place

from kit.cli import main

# What the function does, and what is said of it.
BODIES = (
    ("{}['x']", "KeyError: 'x'"),
    ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
    ("raise SystemExit(0)", "the file ends the program (sys.exit)."),
    ("work(*words)", "RecursionError: maximum recursion depth exceeded"),
    ("raise UserError('This is mine.')", "This is mine."),
    ("raise Problems(['This is mine.'])", "This is mine."),
    ("open('nothing.here')", "FileNotFoundError: [Errno 2] No such file or directory"),
    ("raise OSError(28, 'No space left on device')", "OSError: [Errno 28] No space left"),
    ("raise ValueError('[/red] \\x1b[31m\\nline two')", r"ValueError: [/red] \x1b[31m line two"),
    ("assert False", "AssertionError."),
)
HEAD = """\
from kit.core.errors import Problems, UserError


def work(*words):
    {body}


"""
FORMAT = """\
class Own(SpaceSeparated):
    def {name}(self, *words):
        return work(*words)


own = """


def spoil(place: Place, where: str, body: str) -> None:
    """Write v.py, a competition in which one function of its own does `body`."""
    text = COMPETITION
    if where in ("read", "text"):
        field = "label_format" if where == "read" else "answer_format"
        text = text.replace("own = ", FORMAT.replace("{name}", where))
        text = text.replace(f"{field}=SpaceSeparated", f"{field}=Own")
    else:
        text = text.replace('    kaggle=OnKaggle("own", ("train.csv",)),', f"    {where}=work,")
    (place.folder / "v.py").write_text(HEAD.replace("{body}", body) + text)


@pytest.mark.parametrize(("body", "says"), BODIES)
def test_an_error_in_a_grader_names_its_line(finished: Place, body: str, says: str) -> None:
    spoil(finished, "grade", body)
    said = finished.refusal("submit best -c v.py --data d")
    assert said.startswith(f"kit: {finished.folder / 'v.py'}, line 5, in work: {says}")


@pytest.mark.parametrize(
    ("where", "command"),
    [
        ("prepare", "data -c v.py"),
        ("read", "folds -c v.py --data d --out new.csv"),
        ("text", "blend -c v.py --data d --name new --method mean --policy exact"),
    ],
)
def test_so_does_one_in_another_function(finished: Place, where: str, command: str) -> None:
    finished.patch.setenv("KIT_DATA", "elsewhere")
    spoil(finished, where, "{}['x']")
    if where == "text":  # of a blend, what is before its submission stays
        finished.patch.setattr("sys.argv", ["kit", *command.split()])
        with pytest.raises(SystemExit, match="2"):
            main()
        said = finished.capsys.readouterr().err
    else:
        said = finished.refusal(command)
    assert said == f"kit: {finished.folder / 'v.py'}, line 5, in work: KeyError: 'x'\n"


def test_the_kits_own_error_that_passes_through_is_left_alone(finished: Place) -> None:
    spoil(finished, "read", "return SpaceSeparated('image', 'labels').read(*words)")
    (finished.folder / "d/train.csv").write_text("image,labels\nr00,z\n")
    assert finished.refusal("folds -c v.py --data d --out new.csv").startswith("kit: d/train.csv")


def test_a_signal_passes(finished: Place) -> None:
    spoil(finished, "grade", "raise KeyboardInterrupt")
    finished.patch.setattr(sys, "argv", ["kit", "submit", "best", "-c", "v.py", "--data", "d"])
    with pytest.raises(SystemExit, match="130"):
        main()


def test_verbose_adds_the_traceback(finished: Place) -> None:
    spoil(finished, "grade", "{}['x']")
    words = ["kit", "--verbose", "submit", "best", "-c", "v.py", "--data", "d"]
    finished.patch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="2"):
        main()
    said = finished.capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):")
    assert said.splitlines()[-1].endswith("v.py, line 5, in work: KeyError: 'x'")
