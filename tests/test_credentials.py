"""Where credentials are found, which are refused, and that the real client takes what is found."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kaggle_place import Place
from kaggle_server import KEY, TOKEN, USERNAME

from kit.core.errors import UserError
from kit.kaggle.credentials import NoCredentials, find_credentials


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


KAGGLE_JSON = json.dumps({"username": USERNAME, "key": KEY})
OAUTH = {
    "refresh_token": "marker0refresh",
    "access_token": TOKEN,
    "access_token_expiration": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
    "username": USERNAME,
}


def in_config_dir(place: Place) -> None:
    write(place.home / "elsewhere" / "kaggle.json", KAGGLE_JSON)
    place.patch.setenv("KAGGLE_CONFIG_DIR", str(place.home / "elsewhere"))


def token_in_a_named_file(place: Place) -> None:
    place.patch.setenv("KAGGLE_API_TOKEN", str(write(place.home / "secret.txt", TOKEN)))


WAYS: dict[str, Callable[[Place], object]] = {
    "KAGGLE_API_TOKEN": Place.give_token,
    "KAGGLE_API_TOKEN naming a file": token_in_a_named_file,
    "access_token": lambda place: write(place.home / ".kaggle/access_token", TOKEN + "\n"),
    "access_token.txt": lambda place: write(place.home / ".kaggle/access_token.txt", TOKEN),
    "KAGGLE_USERNAME and KAGGLE_KEY": Place.give_key,
    "kaggle.json": Place.give_file,
    "kaggle.json in .config": lambda place: place.give_file(under=".config/kaggle"),
    "kaggle.json in KAGGLE_CONFIG_DIR": in_config_dir,
    "OAuth": lambda place: write(place.home / ".kaggle/credentials.json", json.dumps(OAUTH)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("verbose", [False, True])
def test_each_way_to_give_credentials_submits_and_shows_none(
    place: Place, way: str, verbose: bool
) -> None:
    """With VERBOSE set the client prints its requests, headers included, if it is let."""
    place.take_all()
    WAYS[way](place)
    if verbose:
        place.patch.setenv("VERBOSE", "1")
    status, out, err = place.kit("submit")
    assert (status, err) == (0, ""), out
    assert "Authorization" not in out
    assert len(place.server.submissions) == 1


@pytest.mark.parametrize(
    "way", ["KAGGLE_API_TOKEN", "KAGGLE_USERNAME and KAGGLE_KEY", "kaggle.json"]
)
def test_a_process_of_its_own_shows_none_with_verbose_set(place: Place, way: str) -> None:
    """Here the client is imported afresh, and authenticates while it is."""
    place.take_all()
    WAYS[way](place)
    place.patch.setenv("VERBOSE", "1")
    process = place.start("submit")
    out, err = process.communicate()
    place.check_secrets(out + err)
    assert (process.returncode, err) == (0, ""), out
    assert len(place.server.submissions) == 1


@pytest.mark.parametrize(
    "name", ["kaggle.json", "access_token", "access_token.txt", "credentials.json"]
)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    path = write(tmp_path / ".kaggle" / name, KAGGLE_JSON, mode)
    with pytest.raises(
        UserError, match=rf"others on this machine can read it\. Run: chmod 600 {path}$"
    ):
        find_credentials({}, tmp_path)


def test_a_token_too_long_for_the_name_of_a_file_is_not_shown_either(place: Place) -> None:
    """Up to Python 3.12 asking whether there is such a file fails, and names it."""
    place.patch.setenv("KAGGLE_API_TOKEN", "marker0" * 99)
    status, _, err = place.kit("submit")
    assert status == 2
    assert "KAGGLE_API_TOKEN" in err


def test_an_empty_token_file_is_none(tmp_path: Path) -> None:
    write(tmp_path / ".kaggle" / "access_token", " \n")
    with pytest.raises(NoCredentials):
        find_credentials({}, tmp_path)


def test_none_anywhere_names_the_places(tmp_path: Path) -> None:
    with pytest.raises(NoCredentials) as raised:
        find_credentials({"KAGGLE_API_TOKEN": "", "HOME": "/"}, tmp_path)
    for place in ("KAGGLE_API_TOKEN", "access_token", "KAGGLE_USERNAME", "kaggle.json"):
        assert place in str(raised.value)
    assert "chmod 600" in str(raised.value)


def test_every_place_is_named_in_the_clients_order(tmp_path: Path) -> None:
    for name, content in (("kaggle.json", KAGGLE_JSON), ("access_token", TOKEN)):
        write(tmp_path / ".kaggle" / name, content)
    environment = {"KAGGLE_API_TOKEN": TOKEN, "KAGGLE_USERNAME": "a", "KAGGLE_KEY": "b"}
    assert find_credentials(environment, tmp_path).sources == (
        "KAGGLE_API_TOKEN",
        str(tmp_path / ".kaggle" / "access_token"),
        "KAGGLE_USERNAME and KAGGLE_KEY",
        str(tmp_path / ".kaggle" / "kaggle.json"),
    )


def test_secrets_are_in_no_repr_and_are_taken_out_of_any_text(tmp_path: Path) -> None:
    write(tmp_path / ".kaggle" / "kaggle.json", KAGGLE_JSON)
    found = find_credentials({"KAGGLE_API_TOKEN": TOKEN}, tmp_path)
    header = base64.b64encode(f"{USERNAME}:{KEY}".encode()).decode()
    assert not any(secret in repr(found) for secret in (TOKEN, KEY, header))
    text = f"Bearer {TOKEN}, Basic {header}, key {KEY}"
    assert found.redact(text) == "Bearer ***, Basic ***, key ***"


@pytest.mark.parametrize("text", ["{", "[]", '{"username": "marie"}', "\xff", '{"key": ""}'])
def test_a_file_of_another_kind_is_said_to_be_one_and_not_quoted(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / ".kaggle" / "kaggle.json", "")
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(
        UserError, match=r"kaggle\.json is not a Kaggle key file: expected JSON with us"
    ):
        find_credentials({}, tmp_path)


UTF16 = TOKEN.encode("utf-16")
WITH_MARK = b"\xef\xbb\xbf" + TOKEN.encode()
SPOILED_TOKENS = {
    "line end": f"{TOKEN}\n",
    "Windows line end": f"{TOKEN}\r",
    "space": f" {TOKEN}",
    "byte order mark": f"\ufeff{TOKEN}",
    "no-break space": f"{TOKEN}\u00a0",
    "quotation marks": f"\u201c{TOKEN}\u201d",
    "two lines": f"{TOKEN}\n{TOKEN}",
    "plain quotation marks": f'"{TOKEN}"',
    "words": f"Bearer {TOKEN}",
    "a pair": f"u:{TOKEN}",
    "JSON": f'{{"key": "{TOKEN}"}}',
}


@pytest.mark.parametrize("kind", SPOILED_TOKENS)
@pytest.mark.parametrize("name", ["KAGGLE_API_TOKEN", "KAGGLE_KEY", "KAGGLE_USERNAME"])
def test_a_variable_with_more_than_the_secret_is_refused_before_kaggle_is_asked(
    place: Place, name: str, kind: str
) -> None:
    place.take_all()
    pair = {"KAGGLE_KEY": KEY, "KAGGLE_USERNAME": USERNAME} if name != "KAGGLE_API_TOKEN" else {}
    for variable, value in {**pair, name: SPOILED_TOKENS[kind]}.items():
        place.patch.setenv(variable, value)
    status, _, err = place.kit("submit")
    assert (status, err.count("\n")) == (2, 1), err
    assert f"kit: {name} holds more than the secret itself" in err
    assert place.clock.slept == []


@pytest.mark.parametrize("content", [UTF16, WITH_MARK], ids=["UTF-16", "byte order mark"])
@pytest.mark.parametrize("name", ["access_token", "access_token.txt", "kaggle.json"])
def test_a_file_with_a_byte_order_mark_is_refused(
    tmp_path: Path, name: str, content: bytes
) -> None:
    write(tmp_path / ".kaggle" / name, "").write_bytes(content)
    with pytest.raises(UserError, match=rf"{name} starts with a byte order mark: .*UTF-16"):
        find_credentials({}, tmp_path)


@pytest.mark.parametrize("content", [b"\xff\x00token", b"token\n\ntoken", b"\x00"])
def test_a_token_file_that_is_not_one_word_is_refused(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / ".kaggle" / "access_token", "").write_bytes(content)
    with pytest.raises(UserError, match="access_token holds more than the secret itself"):
        find_credentials({}, tmp_path)


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ({"username": "marie", "key": 12345678}, r'kaggle\.json: "key" is not text\. Put it in'),
        ({"username": 7, "key": KEY}, r'kaggle\.json: "username" is not text'),
        ({"username": "marie", "key": [KEY]}, r'kaggle\.json: "key" is not text'),
        ({"username": "marie", "key": f"{KEY}\n"}, r'"key" in .*kaggle\.json holds more than'),
        ([{"username": "marie", "key": KEY}], "is not a Kaggle key file: expected JSON with us"),
    ],
)
def test_a_key_file_with_wrong_values_is_refused_and_not_quoted(
    tmp_path: Path, saved: object, message: str
) -> None:
    write(tmp_path / ".kaggle" / "kaggle.json", json.dumps(saved))
    with pytest.raises(UserError, match=message) as raised:
        find_credentials({}, tmp_path)
    assert KEY not in str(raised.value)
    assert "12345678" not in str(raised.value)


def test_a_key_file_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    write(tmp_path / ".kaggle" / "kaggle.json", "[" * 100_000)
    with pytest.raises(UserError, match="is not a Kaggle key file"):
        find_credentials({}, tmp_path)


def test_a_variable_that_names_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"KAGGLE_API_TOKEN names .*, which is not a file"):
        find_credentials({"KAGGLE_API_TOKEN": str(tmp_path)}, tmp_path)
