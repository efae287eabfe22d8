"""Whether a workspace is the golden one, whatever the clock said while it was made."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

# What a clock decides: seconds and rates in logs, and so the size and digest of a file with them.
_CLOCK = frozenset({"seconds", "samples_per_second", "sha256"})
# Files that only save work, say who is at work or draw curves: locks, what has been verified, and
# TensorBoard's events, which may be deleted.
_PRIVATE = re.compile(
    r"\.(?:.*\.(?:lock|lease|owner\.json)|checked\.json)|events\.out\.tfevents\.kit"
)


def differences(folder: Path, golden: Path) -> list[str]:
    """What is not in `folder` as in `golden`, a line each; empty if all bytes are the same."""
    here, there = _files(folder), _files(golden)
    found = [f"{name} is missing" for name in sorted(there - here)]
    found += [f"{name} is left over" for name in sorted(here - there)]
    for name in sorted(here & there):
        if (folder / name).is_dir() or _content(folder / name) != _content(golden / name):
            found.append(f"{name} differs")
    return found


def _files(folder: Path) -> set[str]:
    """Every file, but private ones and edited files of a notebook, which are moved aside."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not _PRIVATE.fullmatch(path.name) and path.parent.name != "replaced"
    }


def _content(path: Path) -> Any:
    """What must be the same: the bytes, unless a clock has written in them."""
    content = path.read_bytes()
    try:
        if path.suffix == ".json":
            return _without_clock(json.loads(content))
        if path.name == "log.csv":
            rows = csv.DictReader(io.StringIO(content.decode()))
            return [_without_clock(row) for row in rows]
        if path.suffix == ".html":  # pictures and sentences have times of training
            return re.sub(r"base64,[^\"]*|[0-9]", "", content.decode())
    except ValueError:
        return content
    return content


def _without_clock(value: Any) -> Any:
    """JSON without what a clock decides. Seals do not count: the files are compared themselves."""
    if isinstance(value, list):
        return [_without_clock(one) for one in value]
    if not isinstance(value, dict):
        return value
    passed = set(_CLOCK)
    if set(value) == {"size", "sha256"}:
        passed.add("size")
    if isinstance(value.get("inputs"), str):  # in kernel.json: over markers, which hold logs
        passed.add("inputs")
    return {key: _without_clock(one) for key, one in value.items() if key not in passed}
