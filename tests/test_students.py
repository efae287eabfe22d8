"""The page on the student projects: made from its template, with every figure there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEMPLATE = (ROOT / "bench" / "students.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "students.md").read_text(encoding="utf-8")


def test_the_page_has_every_line_of_its_template_that_holds_no_number() -> None:
    fixed = [line for line in TEMPLATE.splitlines() if "{{" not in line and "{%" not in line]
    assert [line for line in fixed if line not in PAGE.splitlines()] == []


def test_every_figure_of_the_page_is_there_and_no_other() -> None:
    named = re.findall(r"\]\(students/([\w-]+\.png)\)", PAGE)
    assert sorted(named) == sorted(path.name for path in (ROOT / "docs" / "students").iterdir())
    assert len(named) == 6


def test_the_page_names_no_folder_of_the_machine_that_made_it() -> None:
    assert not re.search(r"(?<![\w.])/(?:tmp|home|root|work|Users|var)/", PAGE)
