"""Reads scores from Kaggle's list, for submissions from here and elsewhere."""

from dataclasses import asdict, dataclass

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.kaggle.client import connect
from kit.kaggle.clock import Clock
from kit.kaggle.listed import Listed
from kit.submission.record import Elsewhere, all_uploads, save_elsewhere
from kit.submission.upload import is_listing_of, one_at_a_time, take_result


@dataclass(frozen=True)
class Synced:
    """How many submissions Kaggle lists, and how many of them were made elsewhere."""

    listed: int
    elsewhere: int


def sync_scores(
    competition: Competition, workspace: Workspace, clock: Clock, reporter: Reporter = SILENT
) -> Synced:
    """Save Kaggle's list: scores of uploads from here, and submissions from elsewhere.

    Submits nothing, even if an upload was interrupted. Raises UserError for a competition that
    is not on Kaggle.
    """
    if competition.kaggle is None:
        raise UserError(f"{competition.title} is not on Kaggle: there are no scores to sync.")
    listed = connect(clock, reporter).submissions(competition.kaggle.slug)
    with one_at_a_time(workspace.submissions):
        ours = set()
        for name, upload in all_uploads(workspace, competition.name):
            for one in listed:
                if (upload.is_open or upload.is_sent) and is_listing_of(upload, one):
                    take_result(workspace.submission(name), upload, one)
                    ours.add(one.ref)
        others = [one for one in listed if one.ref not in ours]
        save_elsewhere(workspace, competition.name, [_elsewhere(one) for one in others])
    return Synced(len(listed), len(others))


def _elsewhere(listed: Listed) -> Elsewhere:
    known = {key: value for key, value in asdict(listed).items() if key != "error"}
    return Elsewhere(**known)
