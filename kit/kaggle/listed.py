"""Submissions as Kaggle reports them: how many are left, and which exist."""

from dataclasses import dataclass
from datetime import datetime
from math import isnan, nan
from typing import Any


@dataclass(frozen=True)
class Limits:
    """How many submissions are left today; None when Kaggle has no count for this account yet."""

    left: int | None
    for_good: bool


@dataclass(frozen=True)
class Listed:
    """One submission as Kaggle lists it; scores are None until it is graded."""

    ref: int
    file_name: str
    description: str
    date: datetime | None
    status: str
    public: float | None
    private: float | None
    error: str


def read_page(answer: Any) -> tuple[str, tuple[Listed, ...]]:
    """The token of the next page, empty on the last, and the submissions on this one."""
    return answer.next_page_token, tuple(
        Listed(
            ref=one.ref,
            file_name=one.file_name,
            description=one.description,
            date=one.date,
            status=one.status.name,
            public=_score(one.public_score),
            private=_score(one.private_score),
            error=one.error_description,
        )
        for one in answer.submissions
    )


def _score(text: str) -> float | None:
    """A score as a number; None if it is empty or NaN, which cannot be compared."""
    score = float(text) if text else nan
    return None if isnan(score) else score
