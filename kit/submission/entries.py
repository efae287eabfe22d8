"""The lines of the ledger: every submission known to this folder."""

from dataclasses import dataclass
from datetime import UTC, datetime

from kit.competitions.base import Competition
from kit.core.disk import digest_file
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.submission.ancestry import promise_of, read_ancestry, require_complete
from kit.submission.examine import how_to_write
from kit.submission.grade import open_grades
from kit.submission.record import Elsewhere, Promise, read_elsewhere, read_uploads

# How the ledger names the steps of an upload, and the states in Kaggle's list.
STATES = {
    "create": "maybe sent",
    "waiting": "no score yet",
    "complete": "scored",
    "rejected": "rejected",
    "PENDING": "no score yet",
    "COMPLETE": "scored",
    "ERROR": "rejected",
}


@dataclass(frozen=True)
class LedgerEntry:
    """One submission. `made_of` names its runs; empty if they are unknown."""

    name: str
    when: datetime | None
    state: str
    csv_digest: str | None
    made_of: tuple[str, ...]
    estimate: Promise | None
    public: float | None
    private: float | None


def read_entries(
    competition: Competition, workspace: Workspace, reporter: Reporter = SILENT
) -> tuple[LedgerEntry, ...]:
    """Every submission, uploaded, graded locally or only written; oldest first, unsent last.

    One whose files are damaged is reported and passed over.
    """
    entries = []
    for name in workspace.submission_names():
        try:
            entries.extend(_of_submission(competition, workspace, name))
        except UserError as error:
            reporter.say(f"{name} is not listed: {error}")
    try:
        listed = read_elsewhere(workspace, competition.name)
    except UserError as error:
        reporter.say(f"Submissions made elsewhere are not listed: {error}")
        listed = ()
    entries.extend(_of_elsewhere(one) for one in listed)
    never = datetime.max.replace(tzinfo=UTC)
    return tuple(sorted(entries, key=lambda one: (one.when or never, one.name)))


def _of_submission(competition: Competition, workspace: Workspace, name: str) -> list[LedgerEntry]:
    """The uploads of one submission, and its current file if that is not among them."""
    files = workspace.submission(name)
    uploads = [one for one in read_uploads(files) if one.competition == competition.name]
    uploads = [one for one in uploads if one.is_open or one.is_sent]
    entries = [
        LedgerEntry(
            name=name,
            when=one.begun,
            state=STATES[one.step],
            csv_digest=one.csv_digest,
            made_of=one.made_of,
            estimate=one.estimate,
            public=one.public,
            private=one.private,
        )
        for one in uploads
    ]
    if not files.csv.exists() or not files.provenance.exists():
        return entries
    csv_digest = digest_file(files.csv)
    if csv_digest in [one.csv_digest for one in uploads]:
        return entries
    if not name.startswith(f"{competition.name}-"):
        return entries  # another competition's, whose files may be damaged
    require_complete(files, how_to_write(competition, workspace, name))
    if read_ancestry(files).competition != competition.name:
        return entries
    made_of, estimate = promise_of(files, csv_digest)
    grades = open_grades(competition, workspace, name)
    unsent = LedgerEntry(
        name=name,
        when=None,
        state="not sent" if grades is None else "graded here",
        csv_digest=csv_digest,
        made_of=made_of,
        estimate=estimate,
        public=None if grades is None else grades.public,
        private=None if grades is None else grades.private,
    )
    return [*entries, unsent]


def _of_elsewhere(listed: Elsewhere) -> LedgerEntry:
    return LedgerEntry(
        name=f"{listed.file_name} ({listed.ref})",
        when=None if listed.date is None else listed.date.replace(tzinfo=UTC),
        state=STATES.get(listed.status, listed.status.lower()),
        csv_digest=None,
        made_of=(),
        estimate=None,
        public=listed.public,
        private=listed.private,
    )
