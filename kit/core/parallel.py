"""Independent jobs on all cores."""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from kit.core.machine import cores
from kit.core.orphan import end_with
from kit.core.progress import Reporter

Job = TypeVar("Job")
Result = TypeVar("Result")

# Jobs on fewer numbers than this finish sooner than processes start.
_WORTH_PROCESSES = 500_000


def on_all_cores(
    description: str,
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    numbers: int,
    reporter: Reporter,
) -> list[Result]:
    """Run every job and return the results in the order of the jobs.

    `numbers` is the size of each job's data: small jobs run one after another in this process,
    large ones in one process per core. The results are the same either way. The processes end
    within seconds after this one, even if it is killed.
    """
    from joblib import Parallel, delayed  # late: the offline notebook has none and needs none

    workers = cores() if numbers >= _WORTH_PROCESSES else 1
    results = []
    with reporter.bar(description, len(jobs), lines=True) as bar:
        pool = {} if workers == 1 else {"initializer": end_with, "initargs": (os.getpid(),)}
        done = Parallel(n_jobs=workers, return_as="generator", **pool)(
            delayed(function)(job) for job in jobs
        )
        for result in done:
            results.append(result)
            bar.advance()
    return results
