"""The demo: every stage in turn on synthetic cells, up to a graded submission."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.competitions.base import Competition, Grades
from kit.competitions.cells import generate_cells, grade_cells
from kit.competitions.exact import decide
from kit.competitions.registry import competitions
from kit.core.disk import write_text
from kit.core.paths import BlendFiles, Workspace
from kit.core.progress import Reporter, duration
from kit.core.terminal import TERMINAL, say, table
from kit.data.fold_table import FoldOptions
from kit.data.runs import open_run
from kit.ensemble import Decision
from kit.recipes import recipes
from kit.recipes.base import with_settings
from kit.report.html import write_report
from kit.stages.blend import blend_stage
from kit.stages.data import prepare_data
from kit.stages.folds import fold_stage
from kit.stages.submit import submit_stage
from kit.submission.write import Submission
from kit.training.train import train


@dataclass(frozen=True)
class DemoRun:
    """One run of the demo: a recipe, its image size, and the settings that are changed."""

    recipe: str
    size: int
    settings: tuple[str, ...]


@dataclass(frozen=True)
class DemoPlan:
    """The extent of the demo: number and size of the cells, number of folds, and the runs."""

    n_train: int
    n_test: int
    cell_size: int
    folds: int
    runs: tuple[DemoRun, ...]
    seed: int = 0


NEXT = """
For the real competition, accept its rules, set up a Kaggle token, and type:
  make data
  make folds
  make train MODEL=inceptionresnetv2
  make blend
  make submit"""

# Sized to take well under ten minutes on two CPU cores. The last epoch is kept: choosing one by its
# score on the held-out fold would make that score optimistic.
_SHORT = ("keep=last", "sampling=repeat", "optimizer=adamw", "schedule=cosine", "warmup=0.1")
FULL = DemoPlan(
    n_train=1400,
    n_test=700,
    cell_size=128,
    folds=3,
    runs=(
        DemoRun("convnet", 64, (*_SHORT, "epochs=20", "learning_rate=2e-3")),
        DemoRun("convnet", 96, (*_SHORT, "epochs=12", "learning_rate=2e-3")),
        DemoRun(
            "gapnet", 64, (*_SHORT, "epochs=14", "learning_rate=1.5e-3", "dropout=0", "batch=32")
        ),
    ),
)


def run_demo(plan: DemoPlan) -> None:
    """Run every stage; stages that are done take seconds."""
    begun = time.monotonic()
    competition = competitions.get("cells")
    workspace = Workspace.of(competition.name)
    _step(1, f"{plan.n_train} + {plan.n_test} synthetic images, {plan.cell_size} pixels")

    def generate(folder: Path, reporter: Reporter) -> None:
        generate_cells(folder, plan.seed, plan.n_train, plan.n_test, plan.cell_size, reporter)

    prepare_data(competition, workspace, generate)
    _step(2, f"{plan.folds} folds, every label stratified, each antibody in one fold")
    fold_stage(competition, workspace, FoldOptions(plan.folds, plan.seed))
    _step(3, f"{len(plan.runs)} models, each trained {plan.folds} times")
    names = []
    for run in plan.runs:
        settings = (*run.settings, f"size={run.size}")
        recipe = with_settings(recipes.get(run.recipe), settings)
        names.append(train(competition, workspace, recipe, reporter=TERMINAL).name)
    _step(4, "blend, thresholds, submission")
    made, written = blend_stage(competition, workspace, names, name=None)
    _step(5, "grade: only the local grader knows the test labels")
    grades = submit_stage(competition, workspace, made.name)
    assert grades is not None  # the cells have a grader
    singles = [_grade_alone(competition, workspace, made, name) for name in names]
    report = write_report(competition, workspace, made.name)
    _print_result(workspace, made, [*singles, grades])
    say("")
    say(f"Took {duration(time.monotonic() - begun)} and wrote:")
    _print_files(workspace, made, written, report)
    for line in NEXT.splitlines():
        say(line)


def _step(number: int, text: str) -> None:
    say("")
    say(f"[{number}/5] {text}")


def _grade_alone(
    competition: Competition, workspace: Workspace, blend: BlendFiles, run: str
) -> Grades:
    """Grade one run of a blend, for comparison with the blend; leaves no submission behind."""
    test = open_run(workspace, run).read_test(competition)
    thresholds = Decision.load(blend.decision).worth.alone[run].thresholds
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / "alone.csv"
        write_text(csv, competition.answer(test.ids, decide(test.probs, thresholds)))
        return grade_cells(workspace.source, csv)


def _print_result(workspace: Workspace, made: BlendFiles, grades: Sequence[Grades]) -> None:
    decision = Decision.load(made.decision)
    scores = {run: one.score for run, one in decision.worth.alone.items()}
    scores[made.name] = decision.worth.score
    rows = []
    for (name, score), grade in zip(scores.items(), grades, strict=True):
        low, high = score.interval
        rows.append(
            [
                name,
                f"{score.cross_fitted:.3f}",
                f"{score.expected:.3f}",
                f"{low:.3f} to {high:.3f}",
                f"{grade.public:.3f}",
                f"{grade.private:.3f}",
            ]
        )
    header = ["macro-F1", "cross-fitted", "expected", "95% CI", "public", "private"]
    say("")
    table("Expected score (left) and the grader's (right)", header, rows)
    # Not a column: with it the table would not fit 80 columns.
    spent = [open_run(workspace, run).seconds() / 60 for run in decision.members]
    each = ", ".join(f"{minutes:.1f}" for minutes in spent)
    say(f"Minutes of training: {each}; {sum(spent):.1f} in all.")


def _print_files(workspace: Workspace, made: BlendFiles, written: Submission, report: Path) -> None:
    say(f"  images and tables   {workspace.source}")
    say(f"  folds               {workspace.folds}")
    say(f"  runs                {workspace.runs}")
    say(f"  blend, decision     {made.folder}")
    say(f"  submission          {written.files.csv}")
    say(f"  report              {report}")
