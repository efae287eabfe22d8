"""Blends on disk: opened by one function, which checks every file that the decision stands for."""

from dataclasses import dataclass

from kit.competitions.base import Competition
from kit.core.disk import in_the_way
from kit.core.errors import Advised, UserError
from kit.core.formats import Unreadable, has_digest
from kit.core.paths import BlendFiles, Workspace
from kit.core.seal import Damage, Seal, find_damage
from kit.data.blends import how_to_blend, remember_command, saved_command
from kit.data.predictions import Predictions, read_predictions
from kit.ensemble.decision import Decision


class BrokenBlend(Advised):
    """A blend with a file that is missing or damaged; making it again fixes it."""

    def __init__(self, problem: str, command: str) -> None:
        super().__init__(problem, f"Make the blend again: {command}")


@dataclass(frozen=True)
class Blend:
    """A finished blend whose files are complete and unchanged."""

    files: BlendFiles
    decision: Decision

    @property
    def name(self) -> str:
        return self.files.name

    def read_oof(self, competition: Competition) -> Predictions:
        """Its out-of-fold probabilities."""
        return read_predictions(self.files.oof, competition.class_keys)

    def read_test(self, competition: Competition) -> Predictions:
        """Its test probabilities."""
        return read_predictions(self.files.test, competition.class_keys)


def open_blend(workspace: Workspace, name: str, thorough: bool = False) -> Blend:
    """Open a finished blend and check its files, all contents if `thorough`.

    Raises BrokenBlend that names the file and the command that makes the blend again, and UserError
    for a decision that only another version of the kit can read.
    """
    files = workspace.blend(name)
    try:
        decision = Decision.load(files.decision)
    except Unreadable as error:
        raise BrokenBlend(error.problem, how_to_blend(workspace, files)) from None
    for damage in find_damage(files.folder, _seals(files, decision), thorough):
        raise BrokenBlend(f"{damage}.", remake_command(workspace, name, decision))
    return Blend(files, decision)


def how_to_remake(workspace: Workspace, name: str) -> str:
    """The command that makes a blend again, from whatever of its files can be read."""
    files = workspace.blend(name)
    try:
        return remake_command(workspace, name, Decision.load(files.decision))
    except UserError:
        return how_to_blend(workspace, files)


def remake_command(workspace: Workspace, name: str, decision: Decision) -> str:
    """The command that makes a blend again: the saved one, or what its decision records."""
    saved = None if decision.origin.files else saved_command(workspace.blend(name))
    return workspace.typed.command(*(saved or blend_words(name, decision)))


def restore_command(blend: Blend) -> None:
    """Save the command of a blend again if it is missing or damaged.

    Blends of earlier versions are left as they are.
    """
    if find_command_damage(blend):
        remember_command(blend.files, blend_words(blend.name, blend.decision))


def find_command_damage(blend: Blend) -> Damage | None:
    """What is wrong with the saved command of a blend; None for one of an earlier version, too."""
    words, path = blend_words(blend.name, blend.decision), blend.files.command
    if not blend.decision.origin.files or saved_command(blend.files) == words:
        return None
    if not path.exists() and not has_digest(blend.files.decision):
        return None
    if path.is_dir():
        return Damage(path, in_the_way(path))
    return Damage(path, "has changed since it was written" if path.exists() else "is missing")


def blend_words(name: str, decision: Decision) -> tuple[str, ...]:
    """The words after `kit` that make a blend with this decision, without defaults."""
    return ("blend", *decision.members, "--name", name, *decision.origin.words())


def _seals(files: BlendFiles, decision: Decision) -> dict[str, Seal]:
    """The seals of the predictions. A decision records digests; any change of size changes them."""
    digests = decision.origin.files
    return {
        name: Seal(path.stat().st_size if path.is_file() else 0, digests[name])
        for name in digests
        if (path := files.folder / name)
    }
