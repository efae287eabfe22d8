"""Ends a process when the one that started it is gone, however that ended.

The offline notebook's check pastes this file into the process that it starts, so it imports
nothing of the kit.
"""

import os
import threading
import time

SECONDS = 1.0  # between two looks


def end_with(parent: int) -> None:
    """End this process within seconds after its parent, the process with this number, has ended.

    Call it in the main thread of a process that `parent` started. A thread watches, because a
    killed parent tells nobody; whoever adopts the orphan has another number.
    """
    threading.Thread(target=_watch, args=(parent,), name="end_with", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS)
    os._exit(1)
