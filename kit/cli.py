"""The command line: registers the commands, and turns errors into one line and an exit status."""

import os
import sys

# Importing a module registers its commands; help lists them in this order.
import kit.commands.training

# isort: split
import kit.commands.blending

# isort: split
import kit.commands.look

# isort: split
import kit.commands.viewing

# isort: split
import kit.commands.submitting  # noqa: F401

# isort: split
from kit.commands.app import app
from kit.core.disk import is_disk_full
from kit.core.errors import UserError


def main() -> None:
    """Run the command line; errors that the user can fix print one line and exit with status 2."""
    # Silence TensorFlow's log; its errors are raised and still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        app()
    except UserError as error:
        print(f"kit: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if is_disk_full(error):
            print("kit: The disk is full. Finished work is kept.", file=sys.stderr)
        elif error.filename is not None:
            print(f"kit: {error.strerror}: {error.filename}", file=sys.stderr)
        else:
            raise
        sys.exit(2)
