"""The command line: what every command has in common, from the first word to the exit status."""

import os
import sys

# Each adds its commands, and help lists them in this order.
import kit.commands.training

# isort: split
import kit.commands.blending

# isort: split
import kit.commands.submitting  # noqa: F401

# isort: split
from kit.commands.app import app
from kit.core.disk import is_disk_full
from kit.core.errors import UserError


def main() -> None:
    """Run the command line; exit status 2 and one line for what the user can mend."""
    # What TensorFlow logs of its own accord; its errors are raised and still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        app()
    except UserError as error:
        print(f"kit: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if is_disk_full(error):
            print("kit: The disk is full. What was finished before is kept.", file=sys.stderr)
        elif error.filename is not None:
            print(f"kit: {error.strerror}: {error.filename}", file=sys.stderr)
        else:
            raise
        sys.exit(2)
