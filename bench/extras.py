"""Gives each set of a package's extras a line of its own in a lock with hashes.

    python bench/extras.py requirements.txt

uv writes `etils[edc, epath]==1.14.0`. pip, when it checks hashes, accepts a dependency on
`etils[epath]` only if exactly these extras are pinned, too. Adds the package without extras and
with each one alone; where a dependency asks for another set, `pip install -r` says so.
"""

import re
import sys
from pathlib import Path

from kit.core.disk import write_text


def with_each_extra(lock: str) -> str:
    """The text of a lock, in which packages with extras also appear without and with each."""
    blocks = re.split(r"^(?=[^\s#])", lock, flags=re.M)
    return "".join(text for block in blocks for text in _variants(block))


def _variants(block: str) -> list[str]:
    """The block of a package, first without its extras and with each of several alone."""
    found = re.match(r"([\w.-]+)\[([^]]+)\](.*)", block, re.S)
    if found is None:
        return [block]
    name, extras, rest = found.groups()
    several = extras.split(", ")
    alone = [f"{name}[{one}]{rest}" for one in several if len(several) > 1]
    return [f"{name}{rest}", *alone, block]


if __name__ == "__main__":
    path = Path(sys.argv[1])
    write_text(path, with_each_extra(path.read_text(encoding="utf-8")))
