"""Registries: a decorator adds an entry by name, a failed lookup lists the known names."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Generic, TypeVar

from kit.core.errors import unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """Entries of one kind by name, registered by the modules of one package.

    The modules are imported at the first lookup: a new file in the package is enough to add an
    entry, and nothing is imported before it is needed.
    """

    def __init__(self, kind: str, package: str) -> None:
        self._kind = kind
        self._package = package
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that registers an entry as `name`; ValueError if the name is taken."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"two entries named '{name}' among the {self._kind}s")
            self._entries[name] = entry
            return entry

        return add

    def get(self, name: str) -> T:
        """The entry named `name`; UserError that lists the known names and suggests the nearest."""
        self._import_all()
        if name not in self._entries:
            raise unknown(self._kind, name, self._entries)
        return self._entries[name]

    def names(self) -> tuple[str, ...]:
        """Every known name, sorted."""
        self._import_all()
        return tuple(sorted(self._entries))

    def _import_all(self) -> None:
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
