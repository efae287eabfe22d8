"""Commands from runs to thresholds and scores."""

from pathlib import Path
from typing import Annotated

import typer

from kit.commands.app import (
    CompetitionName,
    DataFolder,
    PolicyName,
    TestFiles,
    TransferName,
    app,
    place,
)


@app.command()
def import_predictions(
    name: Annotated[str, typer.Argument(help="What to call them.")],
    oof: Annotated[Path, typer.Option(help="Out-of-fold probabilities, Parquet or CSV.")],
    test: TestFiles = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
) -> None:
    """Bring in another framework's predictions, as a run that can be blended and compared."""
    from kit.stages.imported import import_stage

    facts, workspace = place(competition, data)
    import_stage(facts, workspace, name, oof, test or [])


@app.command()
def blend(
    runs: Annotated[list[str] | None, typer.Argument(help="Runs to blend; all when none.")] = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    name: Annotated[str | None, typer.Option(help="A name for the blend.")] = None,
    method: Annotated[
        str, typer.Option(help="mean, logit-mean, greedy, weights, stack, cross-stack, or auto.")
    ] = "auto",
    policy: PolicyName = "auto",
    transfer: TransferName = "auto",
    postprocess: Annotated[
        list[str] | None,
        typer.Option(help="rules, fill or copies: taken if it gains. May be repeated."),
    ] = None,
    all_rows: Annotated[
        bool,
        typer.Option("--all-rows", help="Test predictions by the models trained with --folds all."),
    ] = False,
) -> None:
    """Blend runs, fit thresholds, print what they are worth, write the submission CSV."""
    from kit.ensemble import Options
    from kit.stages.blend import blend_stage

    facts, workspace = place(competition, data)
    options = Options(method, policy, transfer, tuple(dict.fromkeys(postprocess or [])))
    blend_stage(facts, workspace, runs or [], name, options, all_rows)


@app.command()
def tune(
    oof: Annotated[Path, typer.Option(help="Out-of-fold probabilities, Parquet.")],
    labels: Annotated[Path, typer.Option(help="The true labels, as the competition writes them.")],
    out: Annotated[Path, typer.Option(help="Where to write the decision, JSON.")],
    folds: Annotated[
        Path | None, typer.Option(help="CSV 'Id,fold[,group]', if the probabilities have no fold.")
    ] = None,
    test: TestFiles = None,
    policy: PolicyName = "auto",
    transfer: TransferName = "auto",
    journal: Annotated[
        Path | None, typer.Option(help="Optuna's journal: run again, or on more machines at once.")
    ] = None,
    competition: CompetitionName = "hpa",
) -> None:
    """Fit thresholds to out-of-fold predictions from anywhere, and print what they are worth."""
    from kit.ensemble import Options
    from kit.stages.tune import TuneInputs, tune_stage

    facts, _ = place(competition, None)
    inputs = TuneInputs(oof, labels, folds, tuple(test or []))
    options = Options(policy=policy, transfer=transfer, journal=journal)
    tune_stage(facts, inputs, out, options)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A blend or a run.")],
    second: Annotated[str, typer.Argument(help="Another.")],
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
) -> None:
    """Whether one blend or run is better than another, or only luckier."""
    from kit.stages.compare import compare_stage

    facts, workspace = place(competition, data)
    compare_stage(facts, workspace, first, second)


@app.command()
def score(
    predictions: Annotated[Path, typer.Option(help="A submission CSV, or Parquet probabilities.")],
    labels: Annotated[Path, typer.Option(help="The true labels, as the competition writes them.")],
    decision: Annotated[Path | None, typer.Option(help="decision.json; 0.5 if none.")] = None,
    competition: CompetitionName = "hpa",
) -> None:
    """Macro-F1 of predictions against labels, class by class, with a bootstrap 95% CI."""
    from kit.stages.score import score_stage

    facts, _ = place(competition, None)
    score_stage(facts, predictions, labels, decision)
