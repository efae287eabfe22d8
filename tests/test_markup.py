"""Names, ids and titles are text, never markup: on a terminal, in pictures, HTML and a notebook."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from bad_input import COMPETITION, OWN, prepare
from command import kit

from kit.cli import main
from kit.core import terminal
from kit.core.errors import Problems, UserError, printable
from kit.report.layout import Font, write

# What rich, matplotlib, HTML and Markdown would take for markup; rich fails at the first, and
# matplotlib at the second.
NAMES = ("[/filament]", "a $x_{ b$", "<script>*x*</script>")
MARK = "[b] $x_{$ <i>:smile:"
DATA = (*OWN, "--data", "d")


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small competition, with names and ids that look like markup."""
    text = COMPETITION
    for old, new in zip(("Alpha", "Beta", "Gamma"), NAMES, strict=True):
        text = text.replace(old, new)
    folder = tmp_path_factory.mktemp("marked")
    prepare(folder, text.replace('title="Own"', 'title="[/red] $x_{ <b>Own"'), MARK)
    return folder


COMMANDS = (
    ("folds", *DATA, "--out", "again.csv"),
    ("folds", *DATA, "--show", "sampling"),
    ("status", *DATA),
    ("blend", *DATA, "--method", "mean", "--policy", "exact"),
    ("compare", "x", "y", *DATA),
    ("look", "x", "y", *DATA, "--first", "3"),
    ("look", "x", "y", *DATA, "--ids", f"t0{MARK}", "--json"),
    ("look", "--channels", f"r00{MARK}", *DATA),
    ("look", "convnet", *DATA, "--size", "32"),
    ("look", "convnet", *DATA, "--size", "32", "--grid", "2x2"),
    ("ledger", *DATA),
    ("score", *OWN, "--predictions", "oof.parquet", "--labels", "d/train.csv"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:3]))
def test_tables_and_pictures_show_names_as_they_are(marked: Path, words: tuple[str, ...]) -> None:
    shown = kit(marked, *words)
    assert "Traceback" not in shown
    if words[0] == "score" or words[:3] == ("look", "x", "y"):
        assert any(name in shown for name in NAMES)


def test_the_report_escapes_names(marked: Path) -> None:
    kit(marked, "report", "best", *DATA)
    page = (marked / "runs/own/blends/best/report.html").read_text()
    assert "&lt;script&gt;*x*&lt;/script&gt;" in page
    assert "<script>*x*" not in page
    assert "<b>Own" not in page


def test_text_in_a_figure_is_not_parsed() -> None:
    figure = plt.figure()
    write(figure, (0.1, 0.1), "a $x_{ b$ \x1b[31m\n[/red]", Font(9))
    (drawn,) = figure.texts
    assert drawn.get_text() == "a $x_{ b$ \\x1b[31m\n[/red]"
    figure.savefig("/dev/null", format="png")
    plt.close(figure)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [/red] $x_{$ é 細胞 🔬", "plain [/red] $x_{$ é 細胞 🔬"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\x9b31m\x7f", "\\x9b31m\\x7f"),
        ("gpj.\u202efdp", "gpj.\\u202efdp"),
        ("not utf-8: \udcff", "not utf-8: \\udcff"),
        ("a\u2028b", "a\\u2028b"),
    ],
)
def test_control_characters_are_shown_and_not_sent(
    text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printable(text) == shown
    assert str(UserError(text)) == shown
    assert str(Problems([text, "other"])) == f"{shown}\nother"
    terminal.say(text)
    terminal.table("", ["name", "n"], [[text.replace("\n", " "), 1]])
    with terminal.bar(text, 3):
        pass
    out = capsys.readouterr().out
    assert out.startswith(f"{shown}\n")
    assert not any(one in out for one in "\x1b\x07\x9b\x7f\u202e\u2028\udcff")


def test_json_stays_json(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"id": "\x1b[31m\x9b\x7f\u202e\n é [/red]", "n": [1, 2]}
    terminal.say_json(value)
    out = capsys.readouterr().out
    assert json.loads(out) == value
    assert not any(one in out for one in "\x1b\x9b\x7f\u202e")


def test_names_in_commands_are_quoted_for_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a $(touch x); 'b'"
    folder.mkdir()
    (folder / "own $x.py").write_text(COMPETITION)
    (folder / "d e").mkdir()
    (folder / "d e/train.csv").write_text("image,labels\nr0,a\nr1,b\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["kit", "train", "convnet", "-c", "own $x.py", "--data", "d e"])
    with pytest.raises(SystemExit):
        main()
    assert "Make it: kit folds -c 'own $x.py' --data 'd e'" in capsys.readouterr().err


def test_a_notebook_shows_titles_as_they_are() -> None:
    from kit.kernel.notebook import plain

    assert plain("a *b* _c_ <i> $x_{$ `d`") == r"a \*b\* \_c\_ \<i\> \$x\_\{\$ \`d\`"
    assert plain("Synthetic cells 2") == "Synthetic cells 2"
