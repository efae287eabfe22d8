"""Kaggle credentials: found before the client looks for them, and never shown.

Without credentials the client prints a page of help and exits, and it accepts files that
everybody on the machine can read. So the same places are searched here first, in its order.
"""

import base64
import codecs
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kit.core.errors import UserError

SETTINGS = "https://www.kaggle.com/settings/api"
# What a bearer token may hold (RFC 6750), and "@". A colon would end a user name.
_SENDABLE = re.compile(r"[A-Za-z0-9._~+/=@-]+")


class NoCredentials(UserError):
    """No Kaggle credentials in any of the known places."""


@dataclass(frozen=True)
class Credentials:
    """Where credentials were found, for messages, and the strings that must never be shown.

    `config` is the kaggle.json among them, if any. The `repr` omits the secrets, so that no log
    or traceback can leak them.
    """

    sources: tuple[str, ...]
    config: Path | None
    secrets: frozenset[str] = field(repr=False)

    def redact(self, text: str) -> str:
        """The text with every secret replaced by `***`."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


def find_credentials(environment: Mapping[str, str], home: Path) -> Credentials:
    """Search for credentials where the client does, in its order.

    Raises NoCredentials listing the places, and UserError for a file that others can read (with
    the command that fixes it) or that Kaggle did not issue.
    """
    found: list[tuple[str, set[str]]] = []
    folder = home / ".kaggle"
    if token := environment.get("KAGGLE_API_TOKEN"):
        found.append(("KAGGLE_API_TOKEN", {_token_of(token)}))
    for path in (folder / "access_token", folder / "access_token.txt"):
        if path.is_file() and (token := _private_text(path).strip()):
            found.append((str(path), {_sendable(token, str(path))}))
    if (key := _key_in(environment)) is not None:
        found.append(("KAGGLE_USERNAME and KAGGLE_KEY", _secrets_of(*key)))
    config = _config_file(environment, home)
    if config is not None:
        saved = _fields(config, "username", "key")
        found.append((str(config), _secrets_of(saved["username"], saved["key"])))
    if (oauth := folder / "credentials.json").is_file():
        saved = _fields(oauth, "refresh_token", optional=("access_token",))
        found.append((str(oauth), set(saved.values())))
    if not found:
        raise NoCredentials(
            f"No Kaggle credentials. Create a token at {SETTINGS} and put it in KAGGLE_API_TOKEN, "
            f"or in {folder / 'access_token'} with chmod 600; or put a key in KAGGLE_USERNAME "
            f"and KAGGLE_KEY; or its kaggle.json in {folder} with chmod 600, so that no one "
            "else on this machine can read it."
        )
    secrets = frozenset(secret for _, those in found for secret in those if secret)
    return Credentials(tuple(source for source, _ in found), config, secrets)


def _token_of(value: str) -> str:
    """The token; if the value is a file's path, the client reads the token from that file."""
    try:
        is_file = Path(value).exists()
    except OSError:  # its message would quote the token
        raise UserError(
            "KAGGLE_API_TOKEN is too long: the client checks for a file of that name and fails. "
            "Put the token in ~/.kaggle/access_token, with chmod 600."
        ) from None
    if is_file and not Path(value).is_file():
        raise UserError(f"KAGGLE_API_TOKEN names {value}, which is not a file.")
    token = _private_text(Path(value)).strip() if is_file else value
    return _sendable(token, value if is_file else "KAGGLE_API_TOKEN")


def _sendable(secret: str, where: str) -> str:
    """A secret that a request can carry; UserError, which does not quote it, for any other.

    The client would fail on every try to send it, and Kaggle would be blamed.
    """
    if not _SENDABLE.fullmatch(secret):
        raise UserError(
            f"{where} holds more than the secret itself: a space, a quotation mark, a line end, "
            "a byte order mark or another character that Kaggle does not issue. "
            f"Copy it again from {SETTINGS}."
        )
    return secret


def _key_in(environment: Mapping[str, str]) -> tuple[str, str] | None:
    username, key = environment.get("KAGGLE_USERNAME"), environment.get("KAGGLE_KEY")
    if username and key:
        return _sendable(username, "KAGGLE_USERNAME"), _sendable(key, "KAGGLE_KEY")
    if username or key:
        there, lacking = ("USERNAME", "KEY") if username else ("KEY", "USERNAME")
        raise UserError(f"KAGGLE_{there} is set but KAGGLE_{lacking} is not: set both or neither.")
    return None


def _secrets_of(username: str, key: str) -> set[str]:
    """The key, and the header it is sent in."""
    return {key, base64.b64encode(f"{username}:{key}".encode()).decode()}


def _config_file(environment: Mapping[str, str], home: Path) -> Path | None:
    if chosen := environment.get("KAGGLE_CONFIG_DIR"):
        folders = [Path(chosen)]
    else:
        settings = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
        folders = [home / ".kaggle", settings / "kaggle"]
    paths = (folder / "kaggle.json" for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def _fields(path: Path, *wanted: str, optional: Sequence[str] = ()) -> dict[str, str]:
    """The wanted fields of a key file, and those optional ones that it has; all are text."""
    try:
        saved = json.loads(_private_text(path))
    except (ValueError, RecursionError):
        saved = None  # the parser's message may quote the file
    if not isinstance(saved, dict) or not all(saved.get(name) for name in wanted):
        raise UserError(
            f"{path} is not a Kaggle key file: expected JSON with {' and '.join(wanted)}. "
            f"Create a new one at {SETTINGS}."
        )
    found = {name: saved[name] for name in (*wanted, *optional) if saved.get(name)}
    for name, value in found.items():
        if not isinstance(value, str):
            raise UserError(
                f'{path}: "{name}" is not text. Put it in quotation marks, or create a new file at '
                f"{SETTINGS}."
            )
        _sendable(value, f'"{name}" in {path}')
    return found


def _private_text(path: Path) -> str:
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UserError(
            f"{path} holds a secret and others on this machine can read it. Run: chmod 600 {path}"
        )
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(
            f"{path} starts with a byte order mark: it was saved as UTF-16, or as UTF-8 with one. "
            "Save it as UTF-8 without one."
        )
    # What is not UTF-8 is refused by the caller, without the decoder's message, which quotes it.
    return content.decode("utf-8", errors="surrogateescape")
