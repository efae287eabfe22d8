"""What Kaggle's answers mean, in words that a person can act on."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import requests

from kit.core.errors import UserError
from kit.core.progress import duration
from kit.kaggle.credentials import SETTINGS, Credentials


class Refused(UserError):
    """Kaggle said no: what was asked for was not done."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Unanswered(UserError):
    """No answer, or none that can be read: what was asked for may have been done.

    `reason` is the message without the advice to run the command again.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Run the command again: it goes on where it stopped.")
        self.reason = reason


class KaggleFault(RuntimeError):
    """An error that nothing here expects; its words have been cleared of secrets."""


class StorageError(requests.RequestException):
    """The storage that a file is sent to, or fetched from, answered with this status."""


# What ends a connection, or keeps one from being made.
BROKEN = (requests.RequestException, ConnectionError, TimeoutError)
# What a body that is no JSON, or JSON of another shape, ends in inside the client.
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)


def is_passing(error: Exception) -> bool:
    """Whether the same request may well succeed in a while."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = _status(error.response)
        return status in (408, 429) or status >= 500 or _is_of_storage(error.response)
    return isinstance(error, (*BROKEN, *UNREADABLE))


def explain(error: Exception, doing: str, slug: str, credentials: Credentials) -> Exception:
    """An error of the client's as a UserError; a KaggleFault with the bare words if unexpected.

    `doing` is what was asked for, as in "asking for the list of submissions". The words of an
    error are shown only where the server chose them: those of the libraries below the client
    name addresses that are signed for one upload. Secrets are taken out of all of them.
    """
    if isinstance(error, UserError):
        return error
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = _status(error.response)
        if _is_of_storage(error.response):
            return explain(StorageError(status), doing, slug, credentials)
        if status == 429:
            return Refused(f"Kaggle asks to slow down (429, {doing}). Try again later.", status)
        if status < 500 and status != 408:
            said = _refusal(status, _words(error.response), doing, slug, credentials.sources)
            return Refused(credentials.redact(said), status)
        return Unanswered(f"Kaggle does not work at the moment ({status}, {doing}).")
    if isinstance(error, StorageError):
        return Unanswered(f"Kaggle's storage refused the file ({error}, {doing}).")
    if isinstance(error, UNREADABLE):
        return Unanswered(f"Kaggle's answer cannot be read ({doing}).")
    if isinstance(error, BROKEN):
        kind = type(error).__name__  # its words hold addresses
        said = f"The connection to Kaggle broke, or there is none ({doing}: {kind})"
        return Unanswered(f"{said}.")
    if isinstance(error, OSError) and credentials.redact(str(error)) == str(error):
        return error  # a file of this machine's, or its disk
    return KaggleFault(credentials.redact(f"{type(error).__name__}, {doing}: {error}"))


def refused_credentials(sources: Sequence[str]) -> Refused:
    """Say that Kaggle does not know the credentials any more."""
    return Refused(
        f"Kaggle refuses the credentials of {' and of '.join(sources)}. Make a new token at "
        f"{SETTINGS} and put it in the place of the old.",
        401,
    )


def daily_limit(now: datetime, for_good: bool = False) -> str:
    """Say that no submission is left, and when there will be: at midnight UTC."""
    if for_good:
        return "No submission is left: the competition's limit for all days together is reached."
    return f"No submission is left today; {new_day(now)}."


def new_day(now: datetime) -> str:
    """When the day's submissions are counted anew: at midnight UTC."""
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return f"the count starts anew at midnight UTC, in {duration((midnight - now).total_seconds())}"


def _refusal(status: int, words: str, doing: str, slug: str, sources: Sequence[str]) -> str:
    if status == 401:
        return str(refused_credentials(sources))
    if status == 403:
        return (
            f"Kaggle does not let you into '{slug}' ({words}). Accept the rules with your account "
            f"at https://www.kaggle.com/competitions/{slug}/rules, or mend the name if it is "
            "misspelt."
        )
    if status == 404:
        return (
            f"Kaggle finds no such thing ({doing}, {words}). Is '{slug}' the last part of the "
            "address of the competition's page?"
        )
    return f"Kaggle refused ({status}, {doing}): {words}"


def _is_of_storage(response: requests.Response) -> bool:
    """Whether it is not Kaggle that answered, but the place of a file that it led to."""
    return bool(response.history)


def _words(response: requests.Response) -> str:
    """What the server says about its refusal: its own message, without addresses."""
    said = _fields(response).get("message")
    if isinstance(said, str) and said:
        return " ".join(said.split())
    return str(response.reason or response.status_code)


def _status(response: requests.Response) -> int:
    """The status of a refusal, which Kaggle may also write into the body of a 200."""
    code = _fields(response).get("code")
    return code if response.ok and isinstance(code, int) else response.status_code


def _fields(response: requests.Response) -> dict[str, Any]:
    try:
        said = response.json()
    except requests.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
