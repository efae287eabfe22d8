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
from kit.core.errors import UserError
from kit.core.faults import told
from kit.core.interrupts import Interrupted, interruptible

_KEPT = "Finished work is kept; rerun the command to resume."


def main() -> None:
    """Run the command line; errors that the user can fix print one line and exit with status 2.

    A signal prints one line, too, and exits with 128 plus its number.
    """
    # Silence TensorFlow's log; its errors are raised and still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with interruptible():
            app()
    except UserError as error:
        _fail(str(error), 2)
    except Interrupted as stop:
        _fail(stop.told or f"Stopped by {stop.name}. {_KEPT}", stop.status)
    except BrokenPipeError:
        # The reader of the output, such as `head`, has gone. What Python would still flush to it
        # when it exits would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(told(error), 2)


def _fail(line: str, status: int) -> None:
    print(f"kit: {line}", file=sys.stderr)
    sys.exit(status)
