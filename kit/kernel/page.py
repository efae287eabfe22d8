"""The page in a notebook's folder: it explains the folder, and marks it as the kit's."""

from pathlib import Path

from kit.core.disk import write_text
from kit.core.errors import UserError, some
from kit.core.kernel_paths import KernelFiles
from kit.kernel.marker import known_marker

# The first line of the folder's page; it marks the folder as the kit's.
_TITLE = "# An offline notebook, written by the kit\n"
_REST = """
`dataset` contains weights and code, `kernel` the notebook that predicts with them. To send both to
Kaggle:

    {push}

Or by hand, after you put your account name in both metadata files:

    kaggle datasets create -p dataset --dir-mode zip
    kaggle kernels push -p kernel

`check` contains the output of the local check, if you ran it.
"""


def page_text(push: str) -> str:
    """The page, for a folder that the command `push` sends to Kaggle."""
    return _TITLE + _REST.format(push=push)


def claim(files: KernelFiles, push: str) -> None:
    """Write the page, which marks the folder as the kit's; UserError if it has other files.

    The folder's content is removed later, and --out may name any folder.
    """
    claimed = files.readme.is_file() and files.readme.read_bytes().startswith(_TITLE.encode())
    strange = [path.name for path in files.folder.glob("[!.]*") if _has_files(path)]
    if strange and not claimed and known_marker(files.dataset) is None:
        raise UserError(
            f"{files.folder} contains {some(strange)}, which the kit did not write. Choose an "
            "empty folder: --out DIR"
        )
    write_text(files.readme, page_text(push))


def _has_files(path: Path) -> bool:
    """Whether this is a file, or a folder with any: a kill can leave our own folders empty."""
    return path.is_file() or any(one.is_file() for one in path.rglob("*"))
