"""Ways to change files of the kit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kit.core.disk import read_json, write_json


def edit_unsealed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file of the kit as a program without digests would: it is then not checked."""
    content = read_json(path)
    content.pop("sha256", None)
    change(content)
    write_json(path, content)
