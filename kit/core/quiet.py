"""Keep a library's announcements off the screen without losing its errors."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# TensorFlow 2.21 prints these while it is imported, before its log level can be set.
ANNOUNCEMENT = re.compile(rb"^(WARNING: All log messages before absl|I\d{4} )")


@contextmanager
def without_announcements() -> Iterator[None]:
    """Hold back what is written to standard error, then print it without announcements.

    Works on the file descriptor, because the lines come from C++. Everything else that was
    written, warnings and errors included, is printed when the block ends, also by an exception; a
    process that is killed inside the block takes it along.
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
