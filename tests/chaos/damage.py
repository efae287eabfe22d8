"""Ways to damage a file of a workspace."""

from pathlib import Path

WAYS = ("emptied", "halved", "one bit", "a sibling's", "a folder", "deleted")


def damage(path: Path, way: str) -> None:
    """Damage a file as `way` says; size and name stay where the way does not change them."""
    content = path.read_bytes()
    if way == "emptied":
        path.write_bytes(b"")
    elif way == "halved":
        path.write_bytes(content[: len(content) // 2])
    elif way == "one bit":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :])
    elif way == "a sibling's":
        path.write_bytes(_sibling(path, content))
    else:
        path.unlink()
        if way == "a folder":
            path.mkdir()


def _sibling(path: Path, content: bytes) -> bytes:
    """The contents of another file of this kind nearby, by preference of this name; else zeros."""
    near = [*path.parent.glob(f"*{path.suffix}"), *path.parent.parent.glob(f"*/*{path.suffix}")]
    others = [one for one in sorted(near) if one != path and one.is_file()]
    others.sort(key=lambda one: one.name != path.name)
    different = (one.read_bytes() for one in others)
    return next((one for one in different if one != content), bytes(len(content)))
