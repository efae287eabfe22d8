"""The README's picture, from the demo's latest blend: `make demo; python bench/picture.py`."""

from pathlib import Path

from kit.competitions.registry import competitions
from kit.core.paths import Workspace
from kit.core.terminal import say
from kit.report.figures import picture_grid
from kit.report.png import write_png
from kit.report.view import held_out_pictures, view_blend

TARGET = Path(__file__).parent.parent / "docs" / "cells.png"


def main() -> None:
    """Write docs/cells.png: twelve held-out images with the blend's labels."""
    competition = competitions.get("cells")
    workspace = Workspace.of(competition.name)
    cells = held_out_pictures(view_blend(competition, workspace, None), count=12)
    write_png(TARGET, picture_grid(cells, columns=6))
    say(f"Wrote {TARGET}")


if __name__ == "__main__":
    main()
