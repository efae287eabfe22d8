"""Blends by name: the latest one, the unfinished ones, and the command that makes one again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.core.errors import UserError
from kit.core.formats import Format, Unreadable
from kit.core.paths import BlendFiles, Workspace
from kit.data.predictions import PROVENANCE_KEY

_LATEST = Format("the name of the blend made last", 1, "Name the blend.", oldest=0)
_COMMAND = Format("the command of a blend", 1, "Delete it.")


@dataclass(frozen=True)
class _Latest:
    blend: str


@dataclass(frozen=True)
class _Command:
    words: tuple[str, ...]


def remember_blend(workspace: Workspace, blend: BlendFiles) -> None:
    """Make this the default blend, used when none is named."""
    try:
        is_known = _read_latest(workspace) == blend.name
    except Unreadable:
        is_known = False
    if not is_known:
        _LATEST.write(workspace.latest_blend, {"blend": blend.name})


def remember_command(blend: BlendFiles, words: Sequence[str]) -> None:
    """Save the words after `kit` that make the blend, for messages that suggest the command."""
    _COMMAND.write(blend.command, {"words": list(words)})


def find_blend(workspace: Workspace, name: str | None) -> BlendFiles:
    """Find a finished blend by name, or the latest; UserError that says which there are."""
    known = workspace.blend_names()
    if name is None:
        name = _latest_of(workspace, known)
    refuse_first_release(workspace, name)
    if name not in known and name in workspace.unfinished_blend_names():
        raise UserError(unfinished(workspace, name))
    if name not in known:
        raise UserError(f"No blend '{name}'. Known: {', '.join(known) or 'none'}.")
    return workspace.blend(name)


def unfinished(workspace: Workspace, name: str) -> str:
    """What to say of a blend without a decision: its making was interrupted, or it was deleted."""
    blend = workspace.blend(name)
    return f"{blend.decision} is missing. Make the blend again: {how_to_blend(workspace, blend)}"


def how_to_blend(workspace: Workspace, blend: BlendFiles) -> str:
    """The command that makes a blend again, as far as the files beside its decision know it.

    If only the blended runs are known, options other than the defaults must be added by hand.
    """
    words = saved_command(blend) or ("blend", *_noted_runs(blend), "--name", blend.name)
    return workspace.typed.command(*words)


def saved_command(blend: BlendFiles) -> tuple[str, ...] | None:
    """What `remember_command` saved; None if it did not, if that is damaged or another blend's."""
    try:
        words = _COMMAND.read_as(blend.command, _Command).words if blend.command.exists() else ()
    except Unreadable:
        return None
    return words if blend.name in words else None


def refuse_first_release(workspace: Workspace, name: str) -> None:
    """Raise UserError for a blend of release 0.1, which this version cannot read."""
    if workspace.blend(name).is_of_first_release():
        raise UserError(
            f"{name} was written by hpa-kit 0.1, whose blends this version cannot read. Make it "
            f"again: {workspace.typed.command('blend', '--name', name)}"
        )


def _latest_of(workspace: Workspace, known: Sequence[str]) -> str:
    """The name of the latest blend, or of the only one if that is not recorded."""
    path, damage = workspace.latest_blend, ""
    try:
        if (latest := _read_latest(workspace)) is not None:
            if latest in known or latest in workspace.unfinished_blend_names() or not known:
                return latest
            damage = f"{path} names {latest}, which is gone. "
    except Unreadable as error:
        damage = f"{error.problem} "
    if not known:
        broken = [unfinished(workspace, name) for name in workspace.unfinished_blend_names()]
        make = f"Make one: {workspace.typed.command('blend')}"
        raise UserError(f"{damage}No blend in {workspace.blends}. {broken[0] if broken else make}")
    if len(known) > 1:
        problem = damage or f"{path} is missing. "
        raise UserError(f"{problem}Name the blend: {', '.join(known)}.")
    return known[0]


def _read_latest(workspace: Workspace) -> str | None:
    """The recorded name; None if there is none."""
    path = workspace.latest_blend
    return _LATEST.read_as(path, _Latest).blend if path.exists() else None


def _noted_runs(blend: BlendFiles) -> tuple[str, ...]:
    """The blended runs, from the note in any of the predictions; empty if none can be read."""
    notes = (_read_note(path).get("runs") for path in blend.predictions)
    return next((tuple(runs) for runs in notes if isinstance(runs, dict)), ())


def _read_note(path: Path) -> dict[str, Any]:
    """The provenance in a file of predictions; empty if it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        note = json.loads((pq.read_schema(path).metadata or {})[PROVENANCE_KEY])
    except (pa.ArrowException, OSError, KeyError, ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}
