"""Time as an argument, so that code waiting for Kaggle can be tested without waiting."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    """The current time in UTC, and a way to sleep."""

    now: Callable[[], datetime]
    sleep: Callable[[float], None]


def system_clock() -> Clock:
    """This machine's clock."""
    return Clock(lambda: datetime.now(UTC), time.sleep)
