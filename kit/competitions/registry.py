"""Competitions by name, or by the path of a Python file that defines one."""

import importlib.util
from pathlib import Path

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.registry import Registry

competitions: Registry[Competition] = Registry("competition", "kit.competitions")


def find_competition(name: str) -> Competition:
    """The competition called `name`, or the one that the file `name.py` defines.

    Such a file holds exactly one value of type Competition at its top level, beside any that it
    imports from the kit. Raises UserError for an unknown name, a missing file, or a file with
    none or several.
    """
    if not name.endswith(".py"):
        return competitions.get(name)
    path = Path(name)
    if not path.exists():
        raise UserError(f"No competition file {path}. Known by name: {_names()}.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    known = [competitions.get(known) for known in competitions.names()]
    values = [value for value in vars(module).values() if isinstance(value, Competition)]
    found = [value for value in values if not any(value is one for one in known)]
    if len(found) != 1:
        raise UserError(f"{path} must define one Competition, it defines {len(found)}.")
    return found[0]


def _names() -> str:
    return ", ".join(competitions.names())
