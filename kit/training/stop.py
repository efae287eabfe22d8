"""Stopping between steps when a signal asks for it, so that nothing is lost."""

from dataclasses import dataclass, field

from kit.core.interrupts import Interrupted, Request


class Stopped(Exception):
    """Work stopped because a signal asked for it; `where` says how far it is."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


@dataclass(frozen=True)
class Stopping:
    """Whether a signal has asked to stop; by default never."""

    request: Request = field(default_factory=Request)

    @property
    def is_asked(self) -> bool:
        """Whether to stop as soon as nothing is lost."""
        return self.request.number is not None

    def check(self, where: str) -> None:
        """Raise Stopped if that has been asked."""
        if self.is_asked:
            raise Stopped(where)

    def interrupted(self, kept: str, resume: str) -> Interrupted:
        """What to raise at the end: the signal, what is kept, and the command that goes on."""
        if self.request.number is None:
            raise ValueError("nothing has asked to stop")
        name = Interrupted(self.request.number).name
        return Interrupted(self.request.number, f"Stopped by {name} {kept}", resume)
