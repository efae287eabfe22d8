"""Errors that teach, files that are whole or absent, and registries that miss helpfully."""

import errno
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.competitions.registry import competitions, find_competition
from kit.core.disk import (
    atomic,
    csv_text,
    digest,
    digest_file,
    read_csv,
    read_json,
    remove_leftovers,
    write_json,
    write_text,
)
from kit.core.errors import UserError, some, unknown
from kit.core.faults import require_space, told
from kit.core.process import machine_token
from kit.core.progress import duration
from kit.core.registry import Registry

# Errors


def test_unknown_lists_what_is_known_and_names_the_nearest() -> None:
    message = str(unknown("model", "inceptionv9", ["vgg16", "inceptionv3", "gapnet"]))
    assert message == (
        "No model 'inceptionv9'. Known: gapnet, inceptionv3, vgg16. Did you mean 'inceptionv3'?"
    )


def test_unknown_guesses_nothing_far_away() -> None:
    assert str(unknown("model", "zzz", ["gapnet"])) == "No model 'zzz'. Known: gapnet."
    assert str(unknown("model", "zzz", [])) == "No model 'zzz'. Known: none."


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([], ""),
        (["a", 2], "a, 2"),
        (list("abcde"), "a, b, c, d, e"),
        (list("abcdefg"), "a, b, c, d, e and 2 more"),
    ],
)
def test_some_names_five_and_counts_the_rest(items: list[object], text: str) -> None:
    assert some(items) == text


# Disk


def files_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_atomic_makes_folders_and_keeps_the_ending_that_chooses_a_format(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "table.parquet"
    with atomic(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".parquet"
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert files_below(target.parent) == {"table.parquet"}


def break_off(target: Path, error: BaseException) -> None:
    """Write half of a file and then fail with `error`."""
    with atomic(target) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt(), OSError("other")])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    target = tmp_path / "kept.txt"
    target.write_text("old")
    with pytest.raises(type(error)):
        break_off(target, error)
    assert target.read_text() == "old"
    assert files_below(tmp_path) == {"kept.txt"}


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "no space"),
        OSError("write failed: No space left on device"),
        RuntimeError("Can't decrement id ref count (errno = 28, 'No space left on device')"),
    ],
    ids=["disk", "arrow", "hdf5"],
)
def test_a_full_disk_is_a_user_error_that_names_the_file(tmp_path: Path, error: Exception) -> None:
    target = tmp_path / "big.npy"
    with pytest.raises(UserError, match=rf"Disk full: {re.escape(str(target))} was not written"):
        break_off(target, error)
    assert files_below(tmp_path) == set()


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EDQUOT, "Disk quota exceeded"),
        (errno.EFBIG, "File too large for this file system"),
        (errno.EIO, "Input/output error"),
        (errno.EROFS, "Read-only file system"),
        (errno.EACCES, "Permission denied"),
    ],
)
def test_a_fault_of_the_disk_is_a_user_error_that_names_the_file(
    tmp_path: Path, number: int, reason: str
) -> None:
    target = tmp_path / "big.npy"
    with pytest.raises(UserError, match=rf"^{reason}.*: {re.escape(str(target))} was not written"):
        break_off(target, OSError(number, os.strerror(number)))
    assert files_below(tmp_path) == set()


def test_a_fault_of_another_file_is_not_blamed_on_the_target(tmp_path: Path) -> None:
    error = OSError(errno.EIO, os.strerror(errno.EIO), str(tmp_path / "source.png"))
    with pytest.raises(OSError, match=r"source\.png"):
        break_off(tmp_path / "big.npy", error)
    assert told(error).startswith(f"Input/output error: {tmp_path / 'source.png'}. The disk or ")


def test_a_folder_in_the_way_is_named_with_the_command_that_removes_it(tmp_path: Path) -> None:
    target = tmp_path / "a file.json"
    target.mkdir()
    with pytest.raises(UserError) as raised, atomic(target) as temporary:
        temporary.write_text("text")
    assert str(raised.value) == (
        f"Is a folder: {target} was not written. It is in the way of a file. "
        f"Remove it: rm -r '{target}'"
    )
    with pytest.raises(IsADirectoryError) as found:
        target.read_bytes()
    assert told(found.value).endswith(f"Remove it: rm -r '{target}'")
    assert told(OSError(errno.ENOSPC, "full")).startswith("Disk full. Free some space")


def test_leftovers_of_dead_processes_and_old_ones_of_other_machines_go(tmp_path: Path) -> None:
    mine, dead = f".partial-{machine_token()}", 2**22 + 1  # above Linux' largest process number
    old = (tmp_path / ".partial-elsewhere-7-x.csv", tmp_path / ".partial-host-a.b-9-x.csv")
    gone = [tmp_path / f"{mine}-{dead}-x.csv", *old]
    kept = [
        tmp_path / f"{mine}-{os.getppid()}-x.csv",
        tmp_path / ".partial-elsewhere-8-x.csv",
        tmp_path / f"{mine}-{dead}-y.csv",
    ]
    for path in (*gone, *kept):
        path.touch()
    for path in old:
        os.utime(path, (0, 0))
    write_text(tmp_path / "x.csv", "a\n")
    assert files_below(tmp_path) == {path.name for path in kept} | {"x.csv"}
    remove_leftovers(tmp_path)
    assert files_below(tmp_path) == {"x.csv"}


def test_space_is_required_before_work_begins(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "yet", 1, "x")
    with pytest.raises(UserError, match=r"^Packing needs 1\.0 EB|^Packing needs 1000000\.0 TB in"):
        require_space(tmp_path / "not" / "yet", 10**18, "Packing")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_refuses_what_json_cannot_say(tmp_path: Path, value: float) -> None:
    target = tmp_path / "scores.json"
    write_json(target, {"score": 0.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(target, {"score": value})
    assert read_json(target) == {"score": 0.5}
    assert files_below(tmp_path) == {"scores.json"}


def test_json_reads_back_in_the_order_given(tmp_path: Path) -> None:
    value = {"b": 0.1, "a": ["é", None, 2]}
    write_json(tmp_path / "x.json", value)
    assert list(read_json(tmp_path / "x.json").items()) == list(value.items())
    assert (tmp_path / "x.json").read_bytes().endswith(b"\n")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe{}"])
def test_a_broken_json_is_a_user_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.json is not JSON .* Delete it"):
        read_json(path)


def test_a_missing_file_is_a_user_error(tmp_path: Path) -> None:
    for read in (read_json, read_csv):
        with pytest.raises(UserError, match=r"gone does not exist\."):
            read(tmp_path / "gone")


def test_text_is_written_with_its_own_newlines(tmp_path: Path) -> None:
    write_text(tmp_path / "x.csv", "a\nb\r\n")
    assert (tmp_path / "x.csv").read_bytes() == b"a\nb\r\n"


CELLS = st.text('aé",; \n', min_size=1, max_size=5)


@given(st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=4))
def test_csv_reads_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_bytes(csv_text(rows).encode())
    assert [row for _, row in read_csv(path)] == rows


def test_csv_counts_lines_as_an_editor_does(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfId,x\r\n\r\na,1\r\n")
    assert read_csv(tmp_path / "x.csv") == [(1, ["Id", "x"]), (3, ["a", "1"])]


def test_a_table_in_another_encoding_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("Id,Größe\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"x\.csv is not UTF-8 CSV"):
        read_csv(tmp_path / "x.csv")


def test_digests_depend_on_content_and_not_on_the_order_of_keys(tmp_path: Path) -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest([1, 2]) != digest([2, 1])
    (tmp_path / "abc").write_bytes(b"abc")
    # The example of FIPS 180-2, appendix B.1.
    assert digest_file(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


# Registries


def test_a_registry_gives_back_what_was_registered() -> None:
    registry: Registry[int] = Registry("number", "kit.core")
    assert registry.register("seven")(7) == 7
    assert registry.get("seven") == 7
    assert registry.names() == ("seven",)


def test_a_name_is_registered_once() -> None:
    registry: Registry[int] = Registry("number", "kit.core")
    registry.register("seven")(7)
    with pytest.raises(ValueError, match="two entries named 'seven' among the numbers"):
        registry.register("seven")(8)


def test_a_miss_names_the_known_and_the_nearest() -> None:
    with pytest.raises(UserError, match=r"No competition 'hpaa'. Known: .*Did you mean 'hpa'\?"):
        competitions.get("hpaa")


COMPETITION_FILE = """
import dataclasses
from kit.competitions import hpa
mine = dataclasses.replace(hpa.hpa, name="mine")
"""


def test_a_competition_is_found_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(COMPETITION_FILE)
    assert find_competition(str(tmp_path / "mine.py")).name == "mine"
    assert find_competition("hpa").name == "hpa"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must define one Competition, but defines 0"),
        (COMPETITION_FILE + "other = mine", "must define one Competition, but defines 2"),
        (None, "Competition file .* not found. Known by name: .*hpa"),
    ],
)
def test_a_file_without_one_competition_is_refused(
    tmp_path: Path, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError, match=message):
        find_competition(str(tmp_path / "mine.py"))


# Words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (89, "89 s"),
        (720, "12 min"),
        (5399, "90 min"),
        (12600, "3.5 h"),
        (6 * 86400, "6 days"),
    ],
)
def test_durations_come_in_the_unit_a_person_would_use(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_name_that_breaks_off_is_completed() -> None:
    assert "Did you mean 'inception_long_name'?" in str(
        unknown("model", "inception_", ["conception_", "inception_long_name"])
    )


def test_a_folder_is_no_json_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder instead of a file; remove it: rm -r"):
        read_json(tmp_path)
