"""The locks: hashes for pip, each set of extras on a line of its own, and the audit of a lock."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import audit  # noqa: E402
from extras import with_each_extra  # noqa: E402

HASHED = ("requirements.txt", "requirements-audit.txt")
PACKAGE = re.compile(r"([\w.-]+)(?:\[[\w, -]+\])?==\S+(?: ; [^\\]+)?(?: \\)?")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


@pytest.mark.parametrize("name", HASHED)
def test_every_package_has_hashes_and_nothing_names_an_index(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if PACKAGE.fullmatch(line):
            assert line.endswith(" \\"), line
        else:
            assert HASH.fullmatch(line), line
        assert line.endswith(" \\") == following.startswith("    --hash="), line


def test_extras_are_pinned_without_each_alone_and_together() -> None:
    lock = "a==1 \\\n    --hash=x\nb[c, d]==2 \\\n    --hash=y\nb2[e]==3\n"
    assert with_each_extra(lock) == (
        "a==1 \\\n    --hash=x\nb==2 \\\n    --hash=y\nb[c]==2 \\\n    --hash=y\n"
        "b[d]==2 \\\n    --hash=y\nb[c, d]==2 \\\n    --hash=y\nb2==3\nb2[e]==3\n"
    )


def test_the_audit_asks_for_each_package_once_with_its_marker() -> None:
    lines = ("a==1 \\", "    --hash=x", "b==2 ; x < '3' \\", "    --hash=y")
    lock = "\n".join([*lines, "b[c]==2 ; x < '3' \\", "    --hash=y\n"])
    assert audit.pins(lock) == ["a==1", "b==2 ; x < '3'"]
    whole = audit.pins((ROOT / "requirements.txt").read_text())
    assert len(whole) > 100
    assert [one for one in whole if one.startswith("etils")] == ["etils==1.14.0"]


def answer(*vulnerabilities: dict[str, object]) -> str:
    """What pip-audit prints about a package."""
    found = {"name": "six", "version": "1.0", "vulns": list(vulnerabilities)}
    return json.dumps({"dependencies": [found], "fixes": []})


def test_the_audit_passes_only_if_the_database_knows_every_package() -> None:
    assert audit.judge(answer(), "") == (0, "1 packages, none vulnerable.")
    assert audit.judge(answer({"id": "PYSEC-1", "fix_versions": ["1.1"]}), "") == (
        1,
        "six 1.0: PYSEC-1, fixed in 1.1",
    )
    skipped = {"dependencies": [{"name": "six", "skip_reason": "not found on PyPI"}], "fixes": []}
    status, line = audit.judge(json.dumps(skipped), "")
    assert (status, line) == (2, "Not audited: the database has no answer for 1 packages: six.")
    assert audit.judge('{"dependencies": []}', "")[0] == 2


def test_a_database_that_cannot_be_reached_is_one_line_and_no_pass() -> None:
    status, line = audit.judge("", "Traceback ...\n  File x\nConnectionError: no route to host\n")
    assert status == 2
    assert line == (
        "Not audited: the database of vulnerabilities cannot be reached: "
        "ConnectionError: no route to host"
    )
    assert audit.judge("[]", "")[0] == 2
