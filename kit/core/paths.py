"""Every file and folder name of the kit, spelled here and nowhere else."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from kit.core.blend_paths import BlendFiles, SubmissionFiles
from kit.core.kernel_paths import KernelFiles
from kit.core.picture_paths import PictureFiles
from kit.core.store_paths import StoreFiles, StoreKind
from kit.core.suggest import Typed

__all__ = [
    "BlendFiles",
    "FoldRunFiles",
    "RunFiles",
    "SubmissionFiles",
    "Workspace",
    "default_source",
    "extra_split",
    "partial_of",
    "partial_source",
    "provenance_of",
]


@dataclass(frozen=True)
class FoldRunFiles:
    """The files of one fold of a run; `done` is written last."""

    folder: Path

    def weights(self, epoch: int, steps: int | None = None) -> Path:
        """The weights after an epoch, or after some steps of it."""
        return self.folder / f"{_checkpoint(epoch, steps)}.weights.h5"

    def all_weights(self) -> tuple[Path, ...]:
        return tuple(sorted(self.folder.glob("epoch*.weights.h5")))

    def state(self, epoch: int, steps: int | None = None) -> Path:
        """What else training changes, likewise; complete a checkpoint."""
        return self.folder / f"{_checkpoint(epoch, steps)}.state.npz"

    def all_states(self) -> tuple[Path, ...]:
        return tuple(sorted(self.folder.glob("epoch*.state.npz")))

    def all_checkpoints(self) -> tuple[Path, ...]:
        return tuple(sorted(self.folder.glob("epoch*.*.*")))

    @property
    def progress(self) -> Path:
        return self.folder / "progress.json"

    @property
    def log(self) -> Path:
        return self.folder / "log.csv"

    @property
    def events(self) -> Path:
        return self.folder / "events.out.tfevents.kit"

    @property
    def oof(self) -> Path:
        return self.folder / "oof.parquet"

    @property
    def test(self) -> Path:
        return self.folder / "test.parquet"

    @property
    def done(self) -> Path:
        return self.folder / "done.json"


def _checkpoint(epoch: int, steps: int | None) -> str:
    return f"epoch{epoch:03d}" if steps is None else f"epoch{epoch:03d}-{steps}"


@dataclass(frozen=True)
class RunFiles:
    """The files of one run: a frozen recipe, what it was made from, and one folder per fold."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def recipe(self) -> Path:
        return self.folder / "recipe.json"

    @property
    def inputs(self) -> Path:
        return self.folder / "inputs.json"

    @property
    def copy(self) -> Path:
        """Recipe and inputs once more, to restore either, and the `--extra` it is trained with."""
        return self.folder / "run.json"

    @property
    def command(self) -> Path:
        """The words of the command that trained it; written by earlier versions, still read."""
        return self.folder / "command.json"

    def is_begun(self) -> bool:
        """Whether it is the folder of a run, be it one with a file missing."""
        return self.inputs.exists() or self.copy.exists() or self.recipe.exists()

    @property
    def averaged_test(self) -> Path:
        """Imported test predictions, averaged over folds; absent for runs trained here."""
        return self.folder / "test.parquet"

    def fold(self, fold: int | None) -> FoldRunFiles:
        """The files of a fold; None means the training on all rows."""
        return FoldRunFiles(self.folder / ("all" if fold is None else f"fold{fold}"))


@dataclass(frozen=True)
class Workspace:
    """The folders of one competition's files, and how the user names the competition.

    `wait`: whether to wait for what another process is working on, or to refuse at once.
    `skip_bad`: how many images of a split may be unusable; their pixels are black.
    """

    source: Path
    stores: Path
    runs: Path
    folds: Path
    submissions: Path
    typed: Typed = field(default_factory=Typed)
    wait: bool = False
    skip_bad: int = 0

    @classmethod
    def of(
        cls,
        competition: str,
        source: Path | None = None,
        typed: str | None = None,
        wait: bool = False,
    ) -> "Workspace":
        """The default folders below the current one; `KIT_DATA` and `KIT_RUNS` move them.

        `source` is the folder with the competition's own files, if they are elsewhere; `typed` is
        what the user called the competition, if that is not its name.
        """
        data = default_source(competition)
        return cls(
            source=source or data,
            stores=data / "store",
            runs=Path(os.environ.get("KIT_RUNS") or "runs") / competition,
            folds=Path("folds") / f"{competition}.csv",
            submissions=Path("submissions"),
            typed=Typed(typed or competition, source),
            wait=wait,
        )

    @property
    def blends(self) -> Path:
        return self.runs / "blends"

    def store(self, kind: StoreKind, split: str) -> StoreFiles:
        return StoreFiles(self.stores, kind, split)

    def run(self, name: str) -> RunFiles:
        return RunFiles(self.runs / name)

    def run_names(self) -> tuple[str, ...]:
        """Every run that was started, in alphabetical order, damaged ones included."""
        found = (RunFiles(folder) for folder in sorted(self.runs.glob("*")))
        return tuple(run.name for run in found if run.is_begun())

    def run_names_of(self, beginning: str) -> tuple[str, ...]:
        """The runs whose names continue these dash-separated parts with more parts."""
        return tuple(name for name in self.run_names() if name.startswith(f"{beginning}-"))

    @property
    def latest_blend(self) -> Path:
        """Names the blend last made or requested; unlike timestamps it survives a copy."""
        return self.blends / "latest.json"

    def blend(self, name: str) -> BlendFiles:
        return BlendFiles(self.blends / name)

    def blend_names(self) -> tuple[str, ...]:
        """Every finished blend, in alphabetical order."""
        found = (BlendFiles(folder) for folder in sorted(self.blends.glob("*")))
        return tuple(blend.name for blend in found if blend.decision.exists())

    def unfinished_blend_names(self) -> tuple[str, ...]:
        """Every blend that has other files but no decision, in alphabetical order."""
        found = (BlendFiles(folder) for folder in sorted(self.blends.glob("*")))
        return tuple(
            blend.name
            for blend in found
            if not blend.decision.exists() and any(path.exists() for path in blend.predictions)
        )

    @property
    def pictures(self) -> PictureFiles:
        return PictureFiles(self.runs)

    def kernel(self, blend: str) -> KernelFiles:
        return KernelFiles(self.runs / "kernels" / blend)

    def kernel_names(self) -> tuple[str, ...]:
        """Every notebook in the default folder, in alphabetical order."""
        found = sorted((self.runs / "kernels").glob("[!.]*"))
        return tuple(folder.name for folder in found if KernelFiles(folder).readme.exists())

    def submission(self, name: str) -> SubmissionFiles:
        return SubmissionFiles(
            self.submissions / f"{name}.csv",
            self.submissions / f"{name}.json",
            self.submissions / f"{name}.grades.json",
            self.submissions / f"{name}.uploads.json",
        )

    def submission_names(self) -> tuple[str, ...]:
        """Every submission written or uploaded, for all competitions, sorted.

        Also those of which only the provenance is left.
        """
        written = {path.stem for path in self.submissions.glob("*.csv")}
        uploaded = {
            path.name.removesuffix(".uploads.json")
            for path in self.submissions.glob("*.uploads.json")
        }
        others = (".uploads", ".grades", ".elsewhere")
        described = {path.stem for path in self.submissions.glob("[!.]*.json")}
        described = {name for name in described if not name.endswith(others)}
        return tuple(sorted(written | uploaded | described))

    def made_elsewhere(self, competition: str) -> Path:
        """Submissions that Kaggle lists and that did not come from this folder."""
        return self.submissions / f"{competition}.elsewhere.json"


def default_source(competition: str) -> Path:
    """Where a competition's files are, and where `kit data` puts them, unless named otherwise."""
    return Path(os.environ.get("KIT_DATA") or "data") / competition


def partial_of(target: Path) -> Path:
    """Where a download is kept until it is complete; unlike other leftovers it is resumed."""
    return target.with_name(f"{target.name}.partial")


def partial_source(target: Path) -> Path:
    """Records which object on the server the partial download belongs to."""
    return target.with_name(f"{target.name}.partial.json")


def extra_split(table: Path, ids_digest: str) -> str:
    """The name of the store of extra images whose labels are in this table."""
    return f"extra-{table.stem}-{ids_digest[:8]}"


def provenance_of(table: Path) -> Path:
    """The JSON next to a fold table that records how it was made."""
    return table.with_suffix(".json")
