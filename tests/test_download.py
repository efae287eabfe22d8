"""Downloading the data: sized up, gone on with after a break, checked, unpacked safely."""

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from kaggle_place import FILE, Place
from kaggle_server import Answer, Cut

HERE = Path("data/cells")
TABLE = b"Id,Target\n" + b"".join(b"%d,0\n" % number for number in range(900))
SAMPLE = b"Id,Predicted\na,0\n"
IMAGES = np.random.default_rng(0).bytes(3_500_000)


def zipped(*members: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return made.getvalue()


@pytest.fixture
def site(place: Place) -> Place:
    """The stand-in with three files to download, one of them packed on the way; none is here."""
    shutil.rmtree(HERE)
    place.server.files = {
        "train.csv.zip": zipped(("train.csv", TABLE)),
        "sample_submission.csv": SAMPLE,
        "test.zip": IMAGES,
    }
    return place


def check_all_is_there() -> None:
    assert {path.name: path.read_bytes() for path in HERE.iterdir()} == {
        "train.csv": TABLE,
        "sample_submission.csv": SAMPLE,
        "test.zip": IMAGES,
    }


def test_all_files_arrive_and_packed_tables_are_unpacked(site: Place) -> None:
    status, out, err = site.kit("data")
    assert (status, err) == (0, "")
    check_all_is_there()
    size = len(IMAGES) + len(SAMPLE) + len(site.server.files["train.csv.zip"])
    assert f"{size / 1e6:.1f} MB to download into data/cells, " in out
    assert "test.zip 3.5 MB." in out
    assert out.endswith(f"Next: kit folds -c {FILE}\n")


def test_what_is_there_is_not_downloaded_again(site: Place) -> None:
    site.kit("data")
    before = len(site.server.ranges)
    status, out, _ = site.kit("data")
    assert status == 0
    assert out.count("is there.") == 3
    assert "to download" not in out
    assert len(site.server.ranges) - before == 3  # asked for, for the sizes, and not read
    check_all_is_there()


def test_a_broken_download_is_gone_on_with(site: Place) -> None:
    # Three requests are for the sizes, two for the files before the large one.
    site.server.fail_after("GET", 5, Cut(sent=2_000_000))
    status, _, err = site.kit("data")
    assert (status, err) == (0, "")
    check_all_is_there()
    (asked,) = {text for text in site.server.ranges if text}
    assert 0 < int(asked.removeprefix("bytes=").removesuffix("-")) <= 2_000_000


def test_a_download_that_gave_up_is_gone_on_with_the_next_time(site: Place) -> None:
    site.server.fail_after("GET", 5, Cut(sent=2_000_000))
    site.server.fail_after("GET", 0, Answer(503), 99)
    status, _, err = site.kit("data")
    assert status == 2
    assert "Rerun the command to resume." in err
    assert (HERE / "test.zip.partial").stat().st_size > 0
    assert not (HERE / "test.zip").exists()

    site.server.heal()
    site.server.ranges.clear()
    assert site.kit("data")[0] == 0
    check_all_is_there()
    assert [text for text in site.server.ranges if text] != []


def test_a_download_that_was_whole_but_had_no_name_yet_is_given_it(site: Place) -> None:
    site.server.fail_after("GET", 5, Cut(sent=2_000_000))
    site.server.fail_after("GET", 0, Answer(503), 99)
    site.kit("data")
    (HERE / "test.zip.partial").write_bytes(IMAGES)
    site.server.heal()
    assert site.kit("data")[0] == 0
    check_all_is_there()


def test_as_long_as_bytes_arrive_breaks_are_not_counted(site: Place) -> None:
    site.server.fail_after("GET", 5, Cut(sent=250_000))
    for _ in range(12):  # each time it asks for the address first, and then for the rest
        site.server.fail_after("GET", 1, Cut(sent=250_000))
    status, _, err = site.kit("data")
    assert (status, err) == (0, "")
    check_all_is_there()


def test_a_file_that_changed_meanwhile_is_begun_anew(site: Place) -> None:
    site.server.fail_after("GET", 5, Cut(sent=2_000_000))
    other = IMAGES[::-1]

    def change() -> None:
        site.server.files["test.zip"] = other

    site.clock.then = change
    assert site.kit("data")[0] == 0
    assert (HERE / "test.zip").read_bytes() == other


def test_a_file_that_changed_to_another_size_is_not_taken_for_the_whole(site: Place) -> None:
    site.server.fail_after("GET", 5, Cut(sent=2_000_000))

    def change() -> None:
        site.server.files["test.zip"] = IMAGES[:900_000]

    site.clock.then = change
    status, _, err = site.kit("data")
    assert status == 2
    assert "test.zip: received 900000 bytes, expected 3500000." in err
    assert not (HERE / "test.zip").exists()
    assert site.kit("data")[0] == 0
    assert (HERE / "test.zip").stat().st_size == 900_000


def test_a_file_of_another_size_is_not_overwritten(site: Place) -> None:
    HERE.mkdir(parents=True)
    (HERE / "sample_submission.csv").write_text("mine")
    status, _, err = site.kit("data")
    assert status == 2
    assert "sample_submission.csv has 4 bytes, Kaggle's has 17. Remove it to download" in err
    assert err.endswith(f"again: rm {HERE}/sample_submission.csv\n")
    assert (HERE / "sample_submission.csv").read_text() == "mine"


def test_a_disk_that_is_too_small_is_refused_beforehand(site: Place) -> None:
    class Usage(NamedTuple):
        total: int
        used: int
        free: int

    site.patch.setattr("shutil.disk_usage", lambda path: Usage(10**6, 0, 10**6))
    status, out, err = site.kit("data")
    assert status == 2
    assert "3.5 MB to download into data/cells, 1.0 MB free there" in out
    assert "has 1.0 MB free, 3.5 MB needed." in err
    assert list(HERE.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../train.csv", "/etc/train.csv", "a/../../b", "C:\\b", "..\\b", "\\\\host\\b"]
)
def test_an_archive_with_a_name_that_leads_out_is_not_unpacked(site: Place, name: str) -> None:
    site.server.files["train.csv.zip"] = zipped(("train.csv", TABLE), (name, b"bad"))
    status, _, err = site.kit("data")
    assert status == 2
    assert "points outside the folder; nothing was unpacked" in err
    assert not (HERE / "train.csv").exists()
    assert sorted(path.name for path in HERE.iterdir()) == ["train.csv.zip"]


def encrypt(content: bytes) -> bytes:
    """Marks the only member as encrypted, in its own header and in the archive's list."""
    listed = content.index(b"PK\x01\x02") + 8
    return b"".join((content[:6], b"\x01", content[7:listed], b"\x01", content[listed + 1 :]))


def spoil_crc(content: bytes) -> bytes:
    return content[:60] + bytes([content[60] ^ 255]) + content[61:]


@pytest.mark.parametrize("spoil", [encrypt, spoil_crc, lambda content: content[:100]])
def test_a_damaged_archive_is_said_to_be_one(site: Place, spoil: Callable[[bytes], bytes]) -> None:
    site.server.files["train.csv.zip"] = spoil(site.server.files["train.csv.zip"])
    status, _, err = site.kit("data")
    assert status == 2
    assert "train.csv.zip is damaged" in err
    assert not (HERE / "train.csv").exists()


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html><title>Sign in</title>", b"\xef\xbb\xbf\n <HTML lang='en'>"]
)
@pytest.mark.parametrize("name", ["sample_submission.csv", "test.zip"])
def test_a_web_page_is_not_saved_as_data(site: Place, name: str, page: bytes) -> None:
    site.server.files[name] = page
    status, _, err = site.kit("data")
    assert (status, err.count("\n")) == (2, 1)
    assert f"{name}: a web page (HTML) arrived instead of the file. Download it from" in err
    assert not [path for path in HERE.iterdir() if path.name.startswith(name)]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (Place.take_all, "No Kaggle credentials."),
        (
            lambda site: setattr(site.server, "rules_accepted", False),
            "https://www.kaggle.com/competitions/synthetic-cells/rules",
        ),
        (
            lambda site: site.server.files.pop("test.zip"),
            "Not found on Kaggle (requesting test.zip, Not found)",
        ),
        (
            lambda site: site.server.fail("GET", Answer(403, "Expired"), 9),
            "Kaggle's storage refused the file (403, requesting train.csv)",
        ),
    ],
)
def test_what_keeps_the_data_away_is_said(
    site: Place, spoil: Callable[[Place], object], says: str
) -> None:
    spoil(site)
    status, _, err = site.kit("data")
    assert status == 2
    assert says in err
    assert not HERE.exists() or list(HERE.iterdir()) == []


def test_a_competition_that_is_drawn_here_asks_no_one(site: Place) -> None:
    drawn: list[Path] = []
    site.patch.setattr(
        "kit.competitions.cells.generate_cells", lambda folder, **_: drawn.append(folder)
    )
    assert site.kit("data", competition="cells")[0] == 0
    assert drawn == [HERE]
    assert site.server.calls.total() == 0
