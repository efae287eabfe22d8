"""Suppress a library's start-up messages without losing its errors."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# TensorFlow 2.21 prints these on import, before its log level can be set.
ANNOUNCEMENT = re.compile(rb"^(WARNING: All log messages before absl|I\d{4} )")


@contextmanager
def without_announcements() -> Iterator[None]:
    """Buffer standard error, then print it without start-up messages.

    Works on the file descriptor, because the lines come from C++. Everything else, warnings and
    errors included, is printed when the block ends, even by an exception; if the process is
    killed inside the block, the buffer is lost.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        real = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
            held.seek(0)
            for line in held:
                if not ANNOUNCEMENT.match(line):
                    os.write(2, line)
