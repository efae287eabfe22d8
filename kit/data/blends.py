"""Find a blend: by name, or the latest."""

from dataclasses import dataclass

from kit.core.errors import UserError
from kit.core.formats import Format
from kit.core.paths import BlendFiles, Workspace

_LATEST = Format("the name of the blend made last", 1, "Delete it, or name the blend.", oldest=0)


@dataclass(frozen=True)
class _Latest:
    blend: str


def remember_blend(workspace: Workspace, blend: BlendFiles) -> None:
    """Make this the default blend, used when none is named."""
    _LATEST.write(workspace.latest_blend, {"blend": blend.name})


def find_blend(workspace: Workspace, name: str | None) -> BlendFiles:
    """Find a blend by name, or the latest; UserError that lists the existing blends."""
    known = workspace.blend_names()
    if name is None and workspace.latest_blend.exists():
        name = _LATEST.read_as(workspace.latest_blend, _Latest).blend
    if name is not None:
        refuse_first_release(workspace, name)
    if not known:
        raise UserError(
            f"No blend in {workspace.blends}. Make one: {workspace.typed.command('blend')}"
        )
    if name not in known:
        raise UserError(f"No blend '{name or ''}'. Known: {', '.join(known)}.")
    return workspace.blend(name)


def refuse_first_release(workspace: Workspace, name: str) -> None:
    """Raise UserError for a blend of release 0.1, which this version cannot read."""
    if workspace.blend(name).is_of_first_release():
        raise UserError(
            f"{name} was written by hpa-kit 0.1, whose blends this version cannot read. Make it "
            f"again: {workspace.typed.command('blend', '--name', name)}"
        )
