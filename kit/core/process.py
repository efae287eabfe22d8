"""Which process this is, so that others can tell whether it still runs."""

import hashlib
import os
import socket
from pathlib import Path


def machine_token() -> str:
    """Eight hex digits that name the machine since its start, and the container if any.

    A process number means the same in two processes only where their tokens are equal: containers
    may share a host name, and a restarted machine reuses its numbers.
    """
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        # Only Linux has them. The second is a link whose target names the namespace.
        if os.path.lexists(path):
            parts.append(os.readlink(path) if os.path.islink(path) else Path(path).read_text())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def is_alive(process: int) -> bool:
    """Whether a process of this machine and container exists."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
