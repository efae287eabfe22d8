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
    Wait,
    app,
    place,
)
from kit.core.errors import UserError

# The policies with Optuna studies.
SEARCHES = ("tuned", "all")


@app.command()
def import_predictions(
    name: Annotated[str, typer.Argument(help="A name for the run.")],
    oof: Annotated[Path, typer.Option(help="Out-of-fold probabilities, Parquet or CSV.")],
    test: TestFiles = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    wait: Wait = False,
) -> None:
    """Import another framework's predictions as a run. It can be blended and compared."""
    from kit.stages.imported import import_stage

    facts, workspace = place(competition, data, wait)
    import_stage(facts, workspace, name, oof, test or [])


@app.command()
def blend(
    runs: Annotated[list[str] | None, typer.Argument(help="Runs to blend; default all.")] = None,
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
        typer.Option(help="rules, fill or copies: taken if it gains. Repeatable."),
    ] = None,
    all_rows: Annotated[
        bool,
        typer.Option(
            "--all-rows", help="Predict the test set with models trained with --folds all."
        ),
    ] = False,
    trust: Annotated[
        list[str] | None,
        typer.Option(help="A run to blend although it seems to know the labels. Repeatable."),
    ] = None,
    wait: Wait = False,
) -> None:
    """Blend runs, fit thresholds, write the submission CSV. Prints the expected score."""
    from kit.ensemble import Options
    from kit.stages.blend import blend_stage

    facts, workspace = place(competition, data, wait)
    steps, trusted = (tuple(dict.fromkeys(words or [])) for words in (postprocess, trust))
    options = Options(method, policy, transfer, steps, trust=trusted)
    blend_stage(facts, workspace, runs or [], name, options, all_rows)


@app.command()
def tune(
    oof: Annotated[Path, typer.Option(help="Out-of-fold probabilities, Parquet or CSV.")],
    labels: Annotated[Path, typer.Option(help="True labels, in the competition's format.")],
    out: Annotated[Path, typer.Option(help="File to write the decision to, JSON.")],
    folds: Annotated[
        Path | None,
        typer.Option(help="CSV 'Id,fold[,group]', if the probabilities have no fold column."),
    ] = None,
    test: TestFiles = None,
    policy: PolicyName = "auto",
    transfer: TransferName = "auto",
    journal: Annotated[
        str | None,
        typer.Option(
            help="Optuna's journal, a file or a database's URL such as sqlite:///x.db: rerun to "
            "resume, or share it between machines."
        ),
    ] = None,
    competition: CompetitionName = "hpa",
    wait: Wait = False,
) -> None:
    """Fit thresholds to out-of-fold predictions. From any source; prints the expected score."""
    from kit.ensemble import Options
    from kit.stages.tune import TuneInputs, tune_stage

    if journal is not None and policy not in SEARCHES:
        raise UserError(
            f"--journal has no effect with --policy {policy}: it keeps the studies of --policy "
            f"{' or '.join(SEARCHES)}."
        )
    if out.suffix != ".json":
        raise UserError(f"--out {out}: a decision is a JSON file. Name one that ends in .json.")
    facts, _ = place(competition, None)
    inputs = TuneInputs(oof, labels, folds, tuple(test or []))
    options = Options(policy=policy, transfer=transfer, journal=journal)
    tune_stage(facts, inputs, out, options, wait)


@app.command()
def score(
    predictions: Annotated[Path, typer.Option(help="Submission or probabilities, CSV or Parquet.")],
    labels: Annotated[Path, typer.Option(help="True labels, in the competition's format.")],
    decision: Annotated[
        Path | None, typer.Option(help="decision.json; default: thresholds of 0.5.")
    ] = None,
    competition: CompetitionName = "hpa",
) -> None:
    """Score predictions by macro-F1. Prints a bootstrap 95% CI, and F1 per class."""
    from kit.stages.score import score_stage

    facts, _ = place(competition, None)
    score_stage(facts, predictions, labels, decision)
