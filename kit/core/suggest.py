"""Commands suggested by messages, composed in one place so that all of them can be run."""

import shlex
from dataclasses import dataclass
from pathlib import Path

# The default competition of every command.
DEFAULT_COMPETITION = "hpa"
# Commands without --data.
WITHOUT_DATA = frozenset({"data", "models", "score", "tune"})


@dataclass(frozen=True)
class Typed:
    """How the user names the competition: by name or Python file, with its data folder if any.

    Every suggested command repeats this, because a competition defined in a file is not found by
    its name.
    """

    competition: str = DEFAULT_COMPETITION
    data: Path | None = None

    def command(self, name: str, *words: object) -> str:
        """The command `kit NAME WORDS` for this competition, quoted for a shell.

        Words in capitals, such as MODEL or FILE, are for the user to fill in. Defaults are omitted.
        """
        options: list[str] = []
        if self.competition != DEFAULT_COMPETITION:
            options += ["-c", self.competition]
        if self.data is not None and name not in WITHOUT_DATA:
            options += ["--data", str(self.data)]
        return shlex.join(["kit", name, *map(str, words), *options])
