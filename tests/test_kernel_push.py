"""Pushing the offline notebook with the real client: what arrives, and what is told."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kaggle_place import StillClock, sent_to
from kaggle_push_server import PushServer
from kaggle_server import KEY, TOKEN, USERNAME, Answer, Cut, Garbage

from kit.competitions.base import Competition
from kit.core.disk import read_json, write_json, write_text
from kit.core.errors import UserError
from kit.core.kernel_paths import KernelFiles
from kit.core.paths import Workspace
from kit.kaggle.push import MOST_LOOKS
from kit.kernel.rules import NO_OWNER
from kit.stages.kernel import KernelOptions, kernel_stage

DATASET = f"{USERNAME}/shapes-both-weights"
NOTEBOOK = f"{USERNAME}/shapes-both"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PushServer]:
    running = PushServer()
    with sent_to(running, tmp_path, monkeypatch):
        yield running


@pytest.fixture
def push(light_kernel: Callable[..., KernelFiles]) -> Callable[..., KernelFiles]:
    """Pushes the notebook of a blend whose weights and wheel are a few bytes each."""
    return partial(light_kernel, push=True)


Push = Callable[..., KernelFiles]


def test_what_is_pushed_arrives_as_the_folder_has_it(server: PushServer, push: Push) -> None:
    server.looks_until_ready = 3
    still = StillClock()
    files = push(still)
    assert len(still.slept) == 3

    (dataset,) = server.datasets[DATASET]
    folder = files.dataset.folder
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert set(dataset) == there - {files.dataset.metadata.name}
    assert all(dataset[name] == (folder / name).read_bytes() for name in dataset)
    (request,) = server.requests
    assert request["title"] == "shapes both weights"
    assert request["licenseName"] == "copyright-authors"
    assert request["isPrivate"] is True

    (notebook,) = server.notebooks
    assert notebook["slug"] == NOTEBOOK
    assert notebook["newTitle"] == "shapes both"
    assert (notebook["language"], notebook["kernelType"]) == ("python", "notebook")
    assert notebook["enableInternet"] is False
    assert notebook["isPrivate"] is True
    assert notebook["datasetDataSources"] == [DATASET]
    assert notebook["competitionDataSources"] == ["shape-show"]
    assert len(json.loads(notebook["text"])["cells"]) == 6


def test_the_account_s_name_is_filled_in_and_kept(
    server: PushServer, push: Push, workspace: Workspace, shapes: Competition
) -> None:
    files = kernel_stage(shapes, workspace, None, KernelOptions(), StillClock().as_clock())
    assert read_json(files.metadata)["id"].startswith(NO_OWNER)
    push()
    assert read_json(files.metadata)["id"] == NOTEBOOK
    before = files.metadata.read_bytes()
    push()
    assert files.metadata.read_bytes() == before


def test_pushing_again_sends_nothing_twice(server: PushServer, push: Push) -> None:
    push()
    push()
    assert len(server.datasets[DATASET]) == 1
    assert len(server.notebooks) == 1


def test_another_notebook_text_is_another_version_of_the_same_dataset(
    server: PushServer, push: Push
) -> None:
    files = push()
    notebook = read_json(files.notebook)
    notebook["cells"][0]["source"] = ["# A better title"]
    write_json(files.notebook, notebook)
    push()
    assert len(server.datasets[DATASET]) == 1
    assert len(server.notebooks) == 2


def test_other_weights_are_another_version_of_both(
    server: PushServer, push: Push, workspace: Workspace
) -> None:
    push()
    name = workspace.run_names()[0]
    write_text(workspace.run(name).fold(0).weights(3), "better weights")
    push()
    first, second = server.datasets[DATASET]
    changed = f"{name}/fold0/epoch003.weights.h5"
    assert (first[changed], second[changed]) == (b"weights 1 0", b"better weights")
    assert len(server.notebooks) == 2


def test_a_dataset_that_was_deleted_on_kaggle_is_sent_again(server: PushServer, push: Push) -> None:
    push()
    del server.datasets[DATASET]
    push()
    assert len(server.datasets[DATASET]) == 1


@pytest.mark.parametrize(
    ("request_kind", "fault"),
    [
        ("StartBlobUpload", Answer(503)),
        ("StartBlobUpload", Cut()),
        ("PUT", Cut()),
        ("PUT", Answer(503)),
        ("CreateDataset", Cut()),
        ("CreateDataset", Cut(obeyed=True)),
        ("CreateDataset", Answer(429, headers=(("Retry-After", "7"),))),
        ("GetDatasetStatus", Answer(500)),
        ("SaveKernel", Cut()),
        ("SaveKernel", Answer(503)),
        ("SaveKernel", Garbage()),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_passes_is_waited_for(
    server: PushServer, push: Push, request_kind: str, fault: Answer | Cut | Garbage
) -> None:
    server.fail(request_kind, fault)
    still = StillClock()
    push(still)
    assert still.slept
    assert server.datasets[DATASET][-1].keys() >= {"kernel.json", "hpa_kit-0-py3-none-any.whl"}
    assert server.notebooks


def refuse_the_dataset(server: PushServer) -> None:
    server.dataset_answer = {"status": "error", "error": "The requested title is already in use"}


def fail_to_unpack(server: PushServer) -> None:
    server.ends_as = "FAILED"


def never_be_ready(server: PushServer) -> None:
    server.looks_until_ready = 10**6


def refuse_the_notebook(server: PushServer) -> None:
    server.save_answer = {"error": "Maximum batch GPU session count of 2 reached."}


def lose_the_dataset(server: PushServer) -> None:
    server.save_answer = {"invalidDatasetSources": [DATASET]}


def lose_the_competition(server: PushServer) -> None:
    server.save_answer = {"invalidCompetitionSources": ["shape-show"]}


def forbid_notebooks(server: PushServer) -> None:
    server.fail("SaveKernel", Answer(403, "Permission 'kernels.update' was denied"))


def forget_the_token(server: PushServer) -> None:
    server.fail("StartBlobUpload", Answer(401, "Unauthenticated"), times=2)


def lose_the_storage(server: PushServer) -> None:
    server.fail("PUT", Answer(503), times=20)


@pytest.mark.parametrize(
    ("spoil", "message", "datasets", "notebooks"),
    [
        (
            refuse_the_dataset,
            "did not create the dataset marie/shapes-both-weights: The requested",
            0,
            0,
        ),
        (fail_to_unpack, "could not unpack the dataset .* its status is 'failed'", 1, 0),
        (never_be_ready, r"is sent but not ready \('blobs_received'\). Push again later", 1, 0),
        (refuse_the_notebook, "refused the notebook marie/shapes-both: Maximum batch GPU", 1, 0),
        (lose_the_dataset, "saved the notebook .* without marie/shapes-both-weights", 1, 1),
        (lose_the_competition, r"accept its rules at \S+/competitions/shape-show/rules", 1, 1),
        (
            forbid_notebooks,
            r"does not allow this account to do that \(403, .* Is 'marie' its name",
            1,
            0,
        ),
        (forget_the_token, "rejected the credentials in KAGGLE_API_TOKEN", 0, 0),
        (lose_the_storage, "Kaggle's storage", 0, 0),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_does_not_pass_is_told_in_one_line(
    server: PushServer,
    push: Push,
    spoil: Callable[[PushServer], None],
    message: str,
    datasets: int,
    notebooks: int,
) -> None:
    spoil(server)
    still = StillClock()
    with pytest.raises(UserError, match=message) as caught:
        push(still)
    told = str(caught.value)
    assert "\n" not in told
    assert not any(secret in told for secret in (TOKEN, KEY))
    assert len(server.datasets.get(DATASET, [])) == datasets
    assert len(server.notebooks) == notebooks
    assert len(still.slept) <= MOST_LOOKS


def test_after_a_failure_it_goes_on_with_what_is_missing(server: PushServer, push: Push) -> None:
    refuse_the_notebook(server)
    with pytest.raises(UserError):
        push()
    server.save_answer = {}
    push()
    assert len(server.datasets[DATASET]) == 1
    assert len(server.notebooks) == 1


def test_a_competition_that_is_not_on_kaggle_is_not_pushed(
    push: Push, shapes: Competition, workspace: Workspace
) -> None:
    with pytest.raises(UserError, match="Shapes is not on Kaggle"):
        kernel_stage(shapes, workspace, None, KernelOptions(push=True), StillClock().as_clock())
    assert not (workspace.runs / "kernels").exists()


# What is edited in the notebook's folder, the file, and what is said of it.
SHAPES: tuple[tuple[str, Callable[[dict[str, Any]], object], str], ...] = (
    ("metadata", lambda it: it.pop("id"), "id is missing"),
    ("metadata", lambda it: it.update(id="shapes-both"), "id: expected OWNER/NAME, got"),
    ("metadata", lambda it: it.update(id=f"{NOTEBOOK}/3"), "id: expected OWNER/NAME, got"),
    ("metadata", lambda it: it.update(id="/shapes-both"), "id: expected OWNER/NAME, got"),
    ("metadata", lambda it: it.update(id=5), "id: Input should be a valid string, got 5"),
    ("metadata", lambda it: it.pop("code_file"), "code_file is missing"),
    ("metadata", lambda it: it.update(code_file="b.ipynb"), "code_file is 'b.ipynb', not 'predict"),
    ("metadata", lambda it: it.update(dataset_sources=None), "dataset_sources: Input should be a"),
    ("metadata", lambda it: it.update(model_sources=["x"]), "model_sources.0: expected OWNER/NAME"),
    ("dataset", lambda it: it.pop("id"), "id is missing"),
    ("dataset", lambda it: it.update(licenses=["other"]), "licenses.0: Input should be a valid"),
    ("notebook", lambda it: it.pop("cells"), "cells is missing"),
    ("notebook", lambda it: it["cells"][1].pop("source"), "cells.1.source is missing"),
)


def test_what_the_client_would_fail_on_is_one_line(server: PushServer, push: Push) -> None:
    files = push()
    for which, edit, says in SHAPES:
        path = files.dataset.metadata if which == "dataset" else getattr(files, which)
        before, content = path.read_bytes(), read_json(path)
        edit(content)
        write_json(path, content)
        with pytest.raises(UserError) as caught:
            push()
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)
        assert read_json(path) == content
        path.write_bytes(before)
    assert (len(server.datasets[DATASET]), len(server.notebooks)) == (1, 1)


@pytest.mark.parametrize("content", ["[]", "{"])
def test_metadata_that_are_no_object_are_written_again_and_kept_aside(
    server: PushServer, push: Push, content: str
) -> None:
    files = push()
    files.metadata.write_text(content)
    push()
    assert read_json(files.metadata)["id"] == NOTEBOOK
    assert (files.replaced / files.metadata.name).read_text() == content


def test_edits_before_the_first_push_are_pushed(
    server: PushServer, light_kernel: Push, push: Push
) -> None:
    files = light_kernel()
    for path, old, new in (
        (files.notebook, "It trains nothing", "It trains nothing at all"),
        (files.metadata, '"enable_gpu": true', '"enable_gpu": false'),
    ):
        path.write_text(path.read_text().replace(old, new))
    push()
    (notebook,) = server.notebooks
    assert notebook["slug"] == NOTEBOOK
    assert notebook["enableGpu"] is False
    assert "It trains nothing at all" in notebook["text"]
    assert not files.replaced.exists()
