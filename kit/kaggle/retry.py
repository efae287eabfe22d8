"""Asking again after a while, when what went wrong may pass."""

from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import requests

from kit.core.errors import UserError
from kit.core.progress import SILENT, Reporter, duration
from kit.kaggle.clock import Clock

T = TypeVar("T")

# Six tries, 77 s between the first and the last. The client has waits of its own, but for 429 and
# broken connections only, not for 5xx, and tells neither how often nor whom it asks again.
WAITS = (2.0, 5.0, 10.0, 20.0, 40.0)
# A server that wants more than this is not waited for.
LONGEST_WAIT = 300.0


def patiently(
    call: Callable[[], T],
    clock: Clock,
    is_passing: Callable[[Exception], bool],
    progress: Callable[[], int] = lambda: 0,
    reporter: Reporter = SILENT,
) -> T:
    """Call until it succeeds, at most once more than there are waits; the last error is raised.

    `is_passing` says which errors are worth another try. A `Retry-After` of the server's is
    kept to; UserError when it is too long to wait for. Where `progress` has risen since the last
    failure, as in a download that is gone on with, the count of tries starts anew.
    """
    tries, reached = 0, progress()
    while True:
        try:
            return call()
        except Exception as error:
            if progress() > reached:
                tries, reached = 0, progress()
            if tries == len(WAITS) or not is_passing(error):
                raise
            wait = _asked_for(error, clock.now())
            wait = WAITS[tries] if wait is None else wait
            if wait > LONGEST_WAIT:
                raise UserError(
                    f"Kaggle asks to wait {duration(wait)} before the next request. "
                    "Run the command again then: it goes on where it stopped."
                ) from None
            reporter.say(f"Kaggle did not answer as it should; asking again in {duration(wait)}.")
            clock.sleep(wait)
            tries += 1


def _asked_for(error: Exception, now: datetime) -> float | None:
    """The seconds that the server asked to wait (RFC 9110, 10.2.3), None if it did not."""
    response = error.response if isinstance(error, requests.HTTPError) else None
    asked = None if response is None else response.headers.get("Retry-After")
    if asked is None:
        return None
    if asked.strip().isdigit():
        return float(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - now).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a zone
        return None
