"""The commands that messages suggest: written in one place, so that each can be typed as it is."""

import shlex
from dataclasses import dataclass
from pathlib import Path

# The competition that a command is about when none is named.
DEFAULT_COMPETITION = "hpa"
# The commands that take no --data.
WITHOUT_DATA = frozenset({"data", "models", "score", "tune"})


@dataclass(frozen=True)
class Typed:
    """How the user names the competition: by a name or a Python file, and its data folder if any.

    Every suggested command repeats it, because a competition in a file of its own is not found by
    the name that the file gives it.
    """

    competition: str = DEFAULT_COMPETITION
    data: Path | None = None

    def command(self, name: str, *words: object) -> str:
        """The command `kit NAME WORDS` for this competition, quoted for a shell.

        Words in capitals, MODEL or FILE, are for the user to fill in. What is the default is left
        out.
        """
        options: list[str] = []
        if self.competition != DEFAULT_COMPETITION:
            options += ["-c", self.competition]
        if self.data is not None and name not in WITHOUT_DATA:
            options += ["--data", str(self.data)]
        return shlex.join(["kit", name, *map(str, words), *options])
