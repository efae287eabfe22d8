"""File names of an offline notebook and its dataset; see `paths.py` for all others."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KernelDatasetFiles:
    """What an offline notebook reads: the kit, and runs and a blend as in `Workspace.runs`.

    `marker` is written last.
    """

    folder: Path

    @property
    def marker(self) -> Path:
        return self.folder / "kernel.json"

    @property
    def metadata(self) -> Path:
        return self.folder / "dataset-metadata.json"

    @property
    def competition(self) -> Path:
        return self.folder / "competition.py"

    def parts(self) -> tuple[Path, ...]:
        """The files and folders to send, sorted; the client reads the metadata itself."""
        return tuple(path for path in sorted(self.folder.iterdir()) if path != self.metadata)

    def all_files(self) -> tuple[Path, ...]:
        """Every file below this folder, sent or not."""
        return tuple(path for path in sorted(self.folder.rglob("*")) if path.is_file())


@dataclass(frozen=True)
class KernelOutput:
    """What an offline notebook writes into its working folder."""

    folder: Path

    @property
    def csv(self) -> Path:
        return self.folder / "submission.csv"

    @property
    def test(self) -> Path:
        return self.folder / "test.parquet"


@dataclass(frozen=True)
class KernelCheckFiles:
    """Kaggle's folders, emulated to run a notebook here."""

    folder: Path

    @property
    def input(self) -> Path:
        return self.folder / "input"

    @property
    def output(self) -> KernelOutput:
        return KernelOutput(self.folder / "working")

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    @property
    def script(self) -> Path:
        return self.folder / "notebook.py"

    @property
    def guard(self) -> Path:
        # Python imports a module of this name from its path before anything else.
        return self.folder / "guard" / "sitecustomize.py"

    @property
    def log(self) -> Path:
        return self.folder / "errors.log"


@dataclass(frozen=True)
class KernelFiles:
    """An offline notebook: `dataset` and `kernel` are sent to Kaggle, the rest stays here."""

    folder: Path

    @property
    def readme(self) -> Path:
        return self.folder / "README.md"

    @property
    def dataset(self) -> KernelDatasetFiles:
        return KernelDatasetFiles(self.folder / "dataset")

    @property
    def kernel(self) -> Path:
        return self.folder / "kernel"

    @property
    def notebook(self) -> Path:
        return self.kernel / "predict.ipynb"

    @property
    def metadata(self) -> Path:
        return self.kernel / "kernel-metadata.json"

    @property
    def editable(self) -> tuple[Path, ...]:
        """What may be edited by hand, and is then kept."""
        return (self.dataset.metadata, self.metadata, self.notebook)

    @property
    def replaced(self) -> Path:
        """The folder of edited files that no longer fit."""
        return self.folder / "replaced"

    @property
    def check(self) -> KernelCheckFiles:
        return KernelCheckFiles(self.folder / "check")

    @property
    def pushed(self) -> Path:
        return self.folder / "pushed.json"
