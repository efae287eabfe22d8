"""Competitions by name, or by the path of a Python file that defines one."""

import dataclasses
import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from types import CodeType, TracebackType

from kit.competitions import base, images, tables
from kit.competitions.base import Competition
from kit.core.disk import digest
from kit.core.errors import Problems, UserError, brief, unknown
from kit.core.interrupts import Interrupted
from kit.core.registry import Registry

competitions: Registry[Competition] = Registry("competition", "kit.competitions")

# How the modules of competition files begin.
_MODULE = "competition_"
# What the folders of a competition depend on.
_SHARED = ("class_keys", "channels", "images", "label_table", "sample_table", "id_column")
# Of an exception's message, as many letters as one line has room for.
_LETTERS = 300
# How Python says that a call has the wrong arguments.
_UNEXPECTED = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r"(\w+)(?:\.__init__)?\(\) missing \d+ required .*?arguments?: (.*)")


def find_competition(name: str) -> Competition:
    """The competition named `name`, or the one defined in the file `name.py`.

    Such a file is Python code and is run, once per process; no other file is. It defines exactly
    one top-level value of type Competition, besides any that it imports from the kit. Raises
    UserError for an unknown name, a missing file, a file with none or several, and whatever goes
    wrong in it: file, line, and what is wrong.
    """
    if not name.endswith(".py"):
        return _named(name)
    path = Path(name)
    if not path.exists():
        raise UserError(f"Competition file {path} not found. Known by name: {_names()}.")
    if not path.is_file():
        raise UserError(f"Competition file {path} is not a file. Name a Python file.")
    return _defined_in(path.resolve())


def blame(error: BaseException) -> UserError | None:
    """The one-line error for an exception in a competition file's own code; None for any other.

    Its `grade`, `prepare` and formats are called long after the file was read. A UserError is only
    the file's own if the file raised it: those of the kit that pass through it say all there is.
    """
    trace, last, place = error.__traceback__, "", None
    while trace is not None:
        last = str(trace.tb_frame.f_globals.get("__name__", ""))
        if last.startswith(_MODULE):
            place = f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
            place += f", in {trace.tb_frame.f_code.co_name}"
        trace = trace.tb_next
    if place is None or (isinstance(error, UserError) and not last.startswith(_MODULE)):
        return None
    if isinstance(error, Problems):
        return Problems(f"{place}: {problem}" for problem in error.problems)
    return UserError(f"{place}: {_reason(error)}")


def _named(name: str) -> Competition:
    file = Path(f"{name}.py")
    if name not in competitions.names() and name and "\0" not in name:
        if file.is_file():
            raise UserError(f"No competition '{name}'. For the file of that name: -c {file}")
        if Path(name).is_file():
            raise UserError(f"Competition file {name}: expected a Python file, which ends in .py.")
    return competitions.get(name)


@cache
def _defined_in(path: Path) -> Competition:
    # A unique module name, so that `cells.py` shadows no other module.
    spec = importlib.util.spec_from_file_location(f"{_MODULE}{digest(str(path))[:12]}", path)
    if spec is None:
        raise UserError(f"{path} cannot be imported as Python.")
    code = _compiled(path)
    module = importlib.util.module_from_spec(spec)
    # Before the file runs, because it may register its own competition.
    known = [competitions.get(name) for name in competitions.names()]
    # Dataclasses look up their module there.
    sys.modules[spec.name] = module
    try:
        exec(code, vars(module))
    except (KeyboardInterrupt, Interrupted):  # a signal
        del sys.modules[spec.name]
        raise
    except BaseException as error:
        del sys.modules[spec.name]
        raise _wrong(path, _line_in(path, error), _reason(error)) from error
    values = [value for value in vars(module).values() if isinstance(value, Competition)]
    found = [value for value in values if not any(value is one for one in known)]
    if len(found) != 1:
        raise UserError(f"{path} must define one Competition, but defines {len(found)}.")
    _require_own_name(path, found[0])
    return found[0]


def _require_own_name(path: Path, own: Competition) -> None:
    """Raise UserError for the name of another competition: both would use the same folders.

    A variant of one of the kit's own, on the same images and labels, may share them.
    """
    if own.name not in competitions.names():
        return
    known = competitions.get(own.name)
    if any(getattr(own, fact) != getattr(known, fact) for fact in _SHARED):
        raise UserError(
            f"{path}: name={own.name!r} is taken by a competition of the kit, whose data and runs "
            f"it would share. Choose another name, such as {f'{own.name}-own'!r}."
        )


def _compiled(path: Path) -> CodeType:
    """The file's code; UserError with the line of a syntax error, or for a wrong encoding.

    Compiled here: Python's own import would leave a `__pycache__` beside the file.
    """
    source = path.read_bytes()
    try:
        text = importlib.util.decode_source(source)
    except LookupError as error:  # a declared encoding that is none of text, such as base64
        raise _wrong(path, None, f"{brief(error)}. Save the file as UTF-8.") from None
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        reason = f"byte {source[error.start]:#x} is not {error.encoding}. Save the file as UTF-8."
        raise _wrong(path, line, reason) from None
    except SyntaxError as error:
        raise _wrong(path, None, f"{error.msg}. Save the file as UTF-8.") from None
    try:
        return compile(text, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        quoted = f": {error.text.strip()[:80]}" if error.text and error.text.strip() else "."
        reason = f"{type(error).__name__}: {error.msg}{quoted}"
        raise _wrong(path, error.lineno, reason) from None
    except (ValueError, RecursionError, MemoryError) as error:
        # NUL bytes, and nesting that is deeper than Python can compile.
        raise _wrong(path, None, f"{_reason(error).removesuffix('.')}.") from None


def _wrong(path: Path, line: int | None, reason: str) -> UserError:
    place = f" (line {line})" if line else ""
    return UserError(f"{path} defines no competition{place}: {reason}")


def _line_in(path: Path, error: BaseException) -> int | None:
    """The line of the file that raised an error, or called what raised it."""
    trace: TracebackType | None = error.__traceback__
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _reason(error: BaseException) -> str:
    """What is wrong, in one line: the kit's own message, or the exception's type and message."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, SystemExit):
        return "the file ends the program (sys.exit). Raise an exception in its place."
    message = " ".join(str(error).split())[:_LETTERS]
    if isinstance(error, TypeError):
        return _argument_error(message) or f"TypeError: {message}"
    return f"{type(error).__name__}: {message}" if message else f"{type(error).__name__}."


def _argument_error(message: str) -> str | None:
    """The reason for arguments that one of the kit's classes does not take, or is missing."""
    known = {**vars(base), **vars(images), **vars(tables)}
    for pattern in (_UNEXPECTED, _MISSING):
        match = pattern.search(message)
        if match is None or not dataclasses.is_dataclass(known.get(match[1])):
            continue
        if pattern is _MISSING:
            return f"{match[1]} is missing {match[2]}."
        fields = [field.name for field in dataclasses.fields(known[match[1]])]
        return str(unknown(f"argument of {match[1]}", match[2], fields))
    return None


def _names() -> str:
    return ", ".join(competitions.names())
