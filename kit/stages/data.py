"""The stages `data` and `pack`: get a competition's files, and decode its images once."""

from collections.abc import Callable
from pathlib import Path

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.owner import own
from kit.core.paths import Workspace
from kit.core.progress import Reporter
from kit.core.store_paths import StoreKind
from kit.core.terminal import TERMINAL, say
from kit.data.store import pack
from kit.kaggle.client import connect
from kit.kaggle.clock import Clock
from kit.kaggle.download import download_files


def data_stage(competition: Competition, workspace: Workspace, clock: Clock) -> None:
    """Download a competition's files from Kaggle, or generate those of a synthetic one.

    Raises UserError when neither is possible, and Busy while another process generates them.
    """
    if competition.prepare is not None:
        prepare_data(competition, workspace, competition.prepare)
    elif competition.kaggle is not None and competition.kaggle.files:
        kaggle = connect(clock, TERMINAL)
        download_files(kaggle, competition.kaggle.slug, competition.kaggle.files, workspace.source)
    else:
        raise UserError(
            f"Put the data in {workspace.source}. {competition.how_to_get(workspace.source)}"
        )
    following = workspace.typed.command("folds")
    say(f"{competition.title}: {workspace.source}. Next: {following}")


def prepare_data(
    competition: Competition, workspace: Workspace, prepare: Callable[[Path, Reporter], None]
) -> None:
    """Generate the files of a synthetic competition; complete ones need no lock, only a look.

    Raises Busy while another process generates them.
    """
    if (workspace.source / competition.label_table).exists():
        prepare(workspace.source, TERMINAL)
        return
    what = f"the data of {competition.name} in {workspace.source}"
    with own(workspace.source, what, workspace.wait, TERMINAL):
        prepare(workspace.source, TERMINAL)


def pack_stage(competition: Competition, workspace: Workspace, kind: StoreKind) -> None:
    """Decode every training and test image once, into the stores of this kind."""
    table = competition.read_labels(workspace.source)
    for split, ids in (
        ("train", tuple(sorted(table.ids))),
        ("test", competition.read_test_ids(workspace.source)),
    ):
        store = pack(competition, workspace, split, kind, ids, TERMINAL)
        say(f"{workspace.store(kind, split).images}: {len(store.ids)} images")
