"""The resources of this machine that the process may use."""

import os


def cores() -> int:
    """The number of cores this process may use: fewer than installed if a batch system pins it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
