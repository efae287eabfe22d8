"""The stages `data` and `pack`: a competition's files, and its images decoded once."""

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.terminal import TERMINAL, say
from kit.data.store import pack
from kit.kaggle.client import connect
from kit.kaggle.clock import Clock
from kit.kaggle.download import download_files


def data_stage(competition: Competition, workspace: Workspace, clock: Clock) -> None:
    """Download a competition's files from Kaggle, or make a synthetic one's.

    Raises UserError where neither is possible.
    """
    if competition.prepare is not None:
        competition.prepare(workspace.source, TERMINAL)
    elif competition.kaggle is not None and competition.kaggle.files:
        kaggle = connect(clock, TERMINAL)
        download_files(kaggle, competition.kaggle.slug, competition.kaggle.files, workspace.source)
    else:
        raise UserError(
            f"The data belong in {workspace.source}. {competition.how_to_get(workspace.source)}"
        )
    following = workspace.typed.command("folds")
    say(f"{competition.title}: {workspace.source}. Next: {following}")


def pack_stage(competition: Competition, workspace: Workspace, size: int) -> None:
    """Decode every training and test image once, at `size` pixels a side, into the stores."""
    table = competition.read_labels(workspace.source)
    for split, ids in (
        ("train", tuple(sorted(table.ids))),
        ("test", competition.read_test_ids(workspace.source)),
    ):
        store = pack(competition, workspace, split, size, ids, TERMINAL)
        say(f"{workspace.store(size, split).images}: {len(store.ids)} images")
