"""Independent jobs on all cores."""

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

from kit.core.interrupts import SIGNALS
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
    large ones in one process per core, unless this process is such a one itself. The results are
    the same either way. The processes end within seconds after this one, even if it is killed.
    """
    from joblib import Parallel, delayed  # late: the offline notebook has none and needs none

    alone = numbers < _WORTH_PROCESSES or multiprocessing.parent_process() is not None
    workers = 1 if alone else cores()
    results = []
    with warnings.catch_warnings(), reporter.bar(description, len(jobs), lines=True) as bar:
        # A worker that keeps much memory is replaced, and its jobs are done by the next one.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        if workers > 1:
            _start_tracker()
        pool = {} if workers == 1 else {"initializer": end_with, "initargs": (os.getpid(),)}
        done = Parallel(n_jobs=workers, return_as="generator", **pool)(
            delayed(function)(job) for job in jobs
        )
        for result in done:
            results.append(result)
            bar.advance()
    return results


def _start_tracker() -> None:
    """Start the process in which joblib notes what its workers leave, deaf to signals.

    A closed terminal sends SIGHUP to it, too. It only ignores SIGINT and SIGTERM; the one that
    joblib would start in its place prints a traceback for each thing that it has not seen made.
    """
    from joblib.externals.loky.backend import resource_tracker

    if not hasattr(signal, "pthread_sigmask"):
        return
    # What is blocked stays so in a new process; here, it waits until it is not.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
