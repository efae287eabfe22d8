"""Competitions by name, or by the path of a Python file that defines one."""

import importlib.util
import sys
from functools import cache
from pathlib import Path

from kit.competitions.base import Competition
from kit.core.disk import digest
from kit.core.errors import UserError
from kit.core.registry import Registry

competitions: Registry[Competition] = Registry("competition", "kit.competitions")


def find_competition(name: str) -> Competition:
    """The competition named `name`, or the one defined in the file `name.py`.

    Such a file defines exactly one top-level value of type Competition, besides any that it imports
    from the kit. It is run once per process. Raises UserError for an unknown name, a missing file,
    a file with none or several, contradictory facts, or a name that is taken.
    """
    if not name.endswith(".py"):
        return competitions.get(name)
    path = Path(name)
    if not path.exists():
        raise UserError(f"Competition file {path} not found. Known by name: {_names()}.")
    return _defined_in(path.resolve())


@cache
def _defined_in(path: Path) -> Competition:
    # A unique module name, so that `cells.py` shadows no other module.
    spec = importlib.util.spec_from_file_location(f"competition_{digest(str(path))[:12]}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    # Before the file runs, because it may register its own competition.
    known = [competitions.get(name) for name in competitions.names()]
    # Dataclasses look up their module there.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except ValueError as error:
        raise UserError(f"{path} defines no competition: {error}.") from error
    values = [value for value in vars(module).values() if isinstance(value, Competition)]
    found = [value for value in values if not any(value is one for one in known)]
    if len(found) != 1:
        raise UserError(f"{path} must define one Competition, but defines {len(found)}.")
    return found[0]


def _names() -> str:
    return ", ".join(competitions.names())
