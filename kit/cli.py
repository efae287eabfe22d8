"""The command line: registers the commands, and turns errors into one line and an exit status."""

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import typer

# Importing a module registers its commands; help lists them in this order.
import kit.commands.training

# isort: split
import kit.commands.blending

# isort: split
import kit.commands.look

# isort: split
import kit.commands.viewing

# isort: split
import kit.commands.submitting

# isort: split
import kit.commands.checking  # noqa: F401

# isort: split
from kit.commands.app import VERBOSE, app
from kit.core.errors import UserError
from kit.core.faults import fault_of, told
from kit.core.interrupts import Interrupted, Request, interruptible, noting

_KEPT = "Finished work is kept; rerun the command to resume."


def main() -> None:
    """Run the command line; errors that the user can fix print one line and exit with status 2.

    So do words that are no command or option of the kit. A signal prints one line, too, and exits
    with 128 plus its number.
    """
    # Silence TensorFlow's log; its errors are raised and still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _escape_what_cannot_be_encoded()
    # From the end of the work to the end of the line that tells it, a further signal waits.
    with noting() as early:
        _run(early)


def _run(early: Request) -> None:
    """Run the command of this process; `early` is a signal that came before, if any."""
    stopping = Request()
    try:
        with interruptible() as stopping:
            if early.number is not None:
                raise Interrupted(early.number)
            _refuse_empty_words(sys.argv[1:])
            sys.exit(app(prog_name="kit", standalone_mode=False) or 0)
    except UserError as error:
        _fail(_blamed(error) or error, 2)
    except typer.TyperException as error:
        if len(sys.argv) == 1:  # no command: the help
            print(error.format_message(), file=sys.stderr)
            sys.exit(error.exit_code)
        _fail(_usage(error), error.exit_code)
    except Interrupted as stop:
        _stop(stop)
    except BrokenPipeError:
        # The reader of the output, such as `head`, has gone. What Python would still flush to it
        # when it exits would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(_blamed(error) or UserError(told(error)), 2)
    except (Exception, SystemExit) as error:
        if stopping.number is not None:
            _stop(Interrupted(stopping.number))
        blamed = _blamed(error)
        if blamed is None:
            raise
        _fail(blamed, 2)


def _stop(stop: Interrupted) -> NoReturn:
    _fail(UserError(stop.told or f"Stopped by {stop.name}. {_KEPT}"), stop.status)


def _blamed(error: BaseException) -> UserError | None:
    """The error that names the line of a competition file that raised this; None if none did.

    With `--verbose`, prints the traceback, too.
    """
    if "kit.competitions.registry" not in sys.modules:  # no file was read
        return None
    from kit.competitions.registry import blame

    if fault_of(error) and getattr(error, "filename", None) is not None:
        return None  # the file system's fault, and it names the file
    blamed = blame(error)
    if blamed is not None and sys.argv[1:2] == [VERBOSE]:
        traceback.print_exception(error)
    return blamed


def _refuse_empty_words(words: Sequence[str]) -> None:
    """Raise UserError for an empty word: as a folder's name it would mean the current folder."""
    if "" in words:
        before = words[: words.index("")]
        where = f"after {before[-1]}" if before else "after kit"
        raise UserError(f"The word {where} is empty. Is a variable of the shell not set?")


def _usage(error: typer.TyperException) -> UserError:
    """What is wrong with the words that were typed, and the command that explains them."""
    context = getattr(error, "ctx", None)
    path = "kit" if context is None else context.command_path
    message = error.format_message().rstrip(".")
    end = "" if message.endswith("?") else "."
    return UserError(f"{message}{end} See: {path} --help")


def _escape_what_cannot_be_encoded() -> None:
    """Print names in any alphabet where the terminal or a pipe is set to ASCII, too."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fail(error: UserError, status: int) -> NoReturn:
    print(f"kit: {error}", file=sys.stderr)
    sys.exit(status)
