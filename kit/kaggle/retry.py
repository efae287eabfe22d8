"""Retries with back-off for transient errors."""

from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import requests

from kit.core.errors import UserError
from kit.core.progress import SILENT, Reporter, duration
from kit.kaggle.clock import Clock

T = TypeVar("T")

# Six tries, 77 s from first to last. The client's own retries cover 429 and broken connections
# but not 5xx, and report neither how often nor what they retry.
WAITS = (2.0, 5.0, 10.0, 20.0, 40.0)
# Longer waits than this are refused.
LONGEST_WAIT = 300.0


def patiently(
    call: Callable[[], T],
    clock: Clock,
    is_passing: Callable[[Exception], bool],
    progress: Callable[[], int] = lambda: 0,
    reporter: Reporter = SILENT,
) -> T:
    """Call until it succeeds, at most once more than there are waits; then raise the last error.

    `is_passing` says which errors are worth a retry. The server's `Retry-After` is honoured;
    UserError when it is too long. If `progress` has grown since the last failure, as in a resumed
    download, the count of tries restarts.
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
                    f"Kaggle asks to wait {duration(wait)} before the next request. Rerun the "
                    "command after that to resume."
                ) from None
            reporter.say(f"Kaggle did not respond properly; retrying in {duration(wait)}.")
            clock.sleep(wait)
            tries += 1


def _asked_for(error: Exception, now: datetime) -> float | None:
    """Seconds to wait from the server's Retry-After (RFC 9110, 10.2.3); None without one."""
    response = error.response if isinstance(error, requests.HTTPError) else None
    asked = None if response is None else response.headers.get("Retry-After")
    if asked is None:
        return None
    if asked.strip().isdigit():
        return float(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - now).total_seconds())
    except (ValueError, TypeError):  # not a date, or one without a time zone
        return None
