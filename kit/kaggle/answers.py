"""Kaggle's errors, translated into messages that the user can act on."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import requests

from kit.core.errors import UserError
from kit.core.progress import duration
from kit.kaggle.credentials import SETTINGS, Credentials


class Refused(UserError):
    """Kaggle refused the request: nothing was done."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Unanswered(UserError):
    """No answer, or an unreadable one: the request may or may not have been carried out.

    `reason` is the message without the advice to rerun the command.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Rerun the command to resume.")
        self.reason = reason


class KaggleFault(RuntimeError):
    """An unexpected error; secrets are removed from its message."""


class StorageError(requests.RequestException):
    """The file storage, on upload or download, answered with this status."""


# Connections that broke or could not be made.
BROKEN = (requests.RequestException, ConnectionError, TimeoutError)
# What the client raises for a body that is not JSON, or JSON of another shape.
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)


def is_passing(error: Exception) -> bool:
    """Whether the error is transient: the same request may succeed later."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = _status(error.response)
        return status in (408, 429) or status >= 500 or _is_of_storage(error.response)
    return isinstance(error, (*BROKEN, *UNREADABLE))


def explain(error: Exception, doing: str, slug: str, credentials: Credentials) -> Exception:
    """Turn a client error into a UserError, or into a KaggleFault if it is unexpected.

    `doing` describes the request, as in "listing submissions". An error's message is shown only
    if the server wrote it: the libraries below the client quote URLs that are signed for one
    upload. Secrets are removed from every message.
    """
    if isinstance(error, UserError):
        return error
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = _status(error.response)
        if _is_of_storage(error.response):
            return explain(StorageError(status), doing, slug, credentials)
        if status == 429:
            return Refused(f"Kaggle rate-limited the request (429, {doing}). Try later.", status)
        if status < 500 and status != 408:
            said = _refusal(status, _words(error.response), doing, slug, credentials.sources)
            return Refused(credentials.redact(said), status)
        return Unanswered(f"Kaggle is unavailable ({status}, {doing}).")
    if isinstance(error, StorageError):
        return Unanswered(f"Kaggle's storage refused the file ({error}, {doing}).")
    if isinstance(error, UNREADABLE):
        return Unanswered(f"Kaggle's answer is unreadable ({doing}).")
    if isinstance(error, BROKEN):
        kind = type(error).__name__  # its message quotes URLs
        said = f"No connection to Kaggle, or it broke ({doing}: {kind})"
        return Unanswered(f"{said}.")
    if isinstance(error, OSError) and credentials.redact(str(error)) == str(error):
        return error  # about a local file or disk
    return KaggleFault(credentials.redact(f"{type(error).__name__}, {doing}: {error}"))


def refused_credentials(sources: Sequence[str]) -> Refused:
    """The error for credentials that Kaggle does not accept."""
    return Refused(
        f"Kaggle rejected the credentials in {' and in '.join(sources)}. Create a new token at "
        f"{SETTINGS} and replace the old one.",
        401,
    )


def daily_limit(now: datetime, for_good: bool = False) -> str:
    """The message that no submission is left, and when there will be: at midnight UTC."""
    if for_good:
        return "No submissions left: the competition's total limit is reached."
    return f"No submissions left today; {new_day(now)}."


def new_day(now: datetime) -> str:
    """When the daily submission limit resets: at midnight UTC."""
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return f"the limit resets at midnight UTC, in {duration((midnight - now).total_seconds())}"


def _refusal(status: int, words: str, doing: str, slug: str, sources: Sequence[str]) -> str:
    if status == 401:
        return str(refused_credentials(sources))
    if status == 403:
        return (
            f"Kaggle denied access to '{slug}' ({words}). Accept the rules with your account at "
            f"https://www.kaggle.com/competitions/{slug}/rules, or correct the name if it is "
            "misspelled."
        )
    if status == 404:
        return (
            f"Not found on Kaggle ({doing}, {words}). Is '{slug}' the last part of the "
            "competition page's URL?"
        )
    return f"Kaggle refused ({status}, {doing}): {words}"


def _is_of_storage(response: requests.Response) -> bool:
    """Whether the answer came from the file storage that Kaggle redirected to."""
    return bool(response.history)


def _words(response: requests.Response) -> str:
    """The server's own message about its refusal, without URLs."""
    said = _fields(response).get("message")
    if isinstance(said, str) and said:
        return " ".join(said.split())
    return str(response.reason or response.status_code)


def _status(response: requests.Response) -> int:
    """The status of a refusal; Kaggle may also put it in the body of a 200."""
    code = _fields(response).get("code")
    return code if response.ok and isinstance(code, int) else response.status_code


def _fields(response: requests.Response) -> dict[str, Any]:
    try:
        said = response.json()
    except requests.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
