"""Sending a dataset and a notebook to Kaggle, each judged by the fields of the answer.

The client's own `dataset_create_new` goes on without a file that it could not upload, and makes a
dataset that lacks it; its command line ends with status 0 whatever went wrong. So the requests go
to the services of `kagglesdk`, as in `client.py`, and only the notebook through `KaggleApi`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests

from kit.core.errors import UserError
from kit.kaggle.answers import Refused
from kit.kaggle.client import Kaggle, put_file
from kit.kaggle.clock import Clock

T = TypeVar("T")

# A dataset of some gigabytes is unpacked and copied in minutes.
SECONDS_BETWEEN_LOOKS = 10.0
MOST_LOOKS = 180


@dataclass(frozen=True)
class PushedNotebook:
    """Where a notebook is now, and which version of it; None when Kaggle did not say."""

    url: str
    version: int | None


def account_name(kaggle: Kaggle) -> str:
    """The name of the account, as it stands in the addresses of its datasets and notebooks."""
    name = kaggle.api.config_values.get(kaggle.api.CONFIG_NAME_USER)
    if not name:
        raise UserError("Kaggle did not say which account these credentials are of.")
    return str(name)


def dataset_status(kaggle: Kaggle, ref: str) -> str | None:
    """How far a dataset `owner/name` is ("ready" at last); None when there is none."""
    doing = f"asking for the dataset {ref}"
    return _ask(kaggle, doing, ref, lambda client: _status(client, ref))


def send_part(kaggle: Kaggle, ref: str, path: Path, sent: Callable[[int], None]) -> str:
    """Upload a file of a dataset; returns the token by which the dataset names it.

    `sent` is told how many of its bytes are gone.
    """
    from kagglesdk.blobs.types.blob_api_service import ApiBlobType, ApiStartBlobUploadRequest

    request = ApiStartBlobUploadRequest()
    request.type = ApiBlobType.DATASET
    request.name = path.name
    request.content_length = path.stat().st_size
    request.last_modified_epoch_seconds = int(path.stat().st_mtime)

    def once(client: Any) -> str:
        answer = client.blobs.blob_api_client.start_blob_upload(request)
        put_file(answer.create_url, path, sent)
        return str(answer.token)

    return _ask(kaggle, f"sending {path.name}", ref, once)


def create_dataset(
    kaggle: Kaggle, metadata: Mapping[str, Any], tokens: Sequence[str], note: str
) -> None:
    """Make a private dataset of uploaded files, or a new version of it when there is one.

    `metadata` is what stands in dataset-metadata.json. A request without an answer may make one
    version more than was wanted, which harms nothing. Raises UserError when Kaggle refuses.
    """
    from kagglesdk.datasets.types.dataset_api_service import (
        ApiCreateDatasetRequest,
        ApiCreateDatasetVersionRequest,
        ApiCreateDatasetVersionRequestBody,
        ApiDatasetNewFile,
    )

    ref = str(metadata["id"])
    owner, _, name = ref.partition("/")
    parts = []
    for token in tokens:
        part = ApiDatasetNewFile()
        part.token = token
        parts.append(part)
    first = ApiCreateDatasetRequest()
    first.title = metadata["title"]
    first.owner_slug, first.slug = owner, name
    first.license_name = metadata["licenses"][0]["name"]
    first.is_private = True
    first.files = parts
    version = ApiCreateDatasetVersionRequest()
    version.owner_slug, version.dataset_slug = owner, name
    version.body = ApiCreateDatasetVersionRequestBody()
    version.body.version_notes = note
    version.body.files = parts

    def once(client: Any) -> Any:
        service = client.datasets.dataset_api_client
        if _status(client, ref) is None:
            return service.create_dataset(first)
        return service.create_dataset_version(version)

    answer = _ask(kaggle, f"making the dataset {ref}", ref, once)
    if answer.error or answer.status.lower() != "ok":
        said = kaggle.credentials.redact(answer.error or f"its status is '{answer.status}'")
        raise UserError(
            f"Kaggle did not make the dataset {ref}: {said}. If the title is taken, choose "
            "another: --title TITLE"
        )


def wait_for_dataset(kaggle: Kaggle, ref: str, clock: Clock) -> None:
    """Wait until a dataset can be used; UserError when Kaggle fails to unpack it, or takes long."""
    for _ in range(MOST_LOOKS):
        status = dataset_status(kaggle, ref)
        if status == "ready":
            return
        if status in ("failed", "deleted"):
            raise UserError(
                f"Kaggle could not unpack the dataset {ref}: its status is '{status}'. Look at "
                f"https://www.kaggle.com/datasets/{ref}, delete it there and push again."
            )
        clock.sleep(SECONDS_BETWEEN_LOOKS)
    raise UserError(
        f"The dataset {ref} is sent, but not ready ('{status}'). Push again later: it goes on "
        "from there."
    )


def push_notebook(kaggle: Kaggle, folder: Path, ref: str) -> PushedNotebook:
    """Save the notebook of a folder as a new version, which Kaggle then runs.

    Raises UserError when it was refused, or saved without one of its sources.
    """
    doing = f"sending the notebook {ref}"
    answer = _ask(kaggle, doing, ref, lambda _: kaggle.api.kernels_push(str(folder)))
    redact = kaggle.credentials.redact
    if answer.error:
        raise UserError(f"Kaggle refused the notebook {ref}: {redact(answer.error)}")
    if lost := [*answer.invalid_dataset_sources, *answer.invalid_kernel_sources]:
        raise UserError(
            f"Kaggle saved the notebook {ref} without {', '.join(lost)}, which it does not know "
            "yet, or not from this account. Push again in a while."
        )
    if lost := answer.invalid_competition_sources:
        raise UserError(
            f"Kaggle saved the notebook {ref} without the competition {', '.join(lost)}: accept "
            f"its rules at https://www.kaggle.com/competitions/{lost[0]}/rules, and push again."
        )
    return PushedNotebook(answer.url, answer.version_number)


def _status(client: Any, ref: str) -> str | None:
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetStatusRequest

    request = ApiGetDatasetStatusRequest()
    request.owner_slug, _, request.dataset_slug = ref.partition("/")
    try:
        answer = client.datasets.dataset_api_client.get_dataset_status(request)
    except requests.HTTPError as error:
        # 403 as well: Kaggle does not tell whether a private one is there.
        if error.response is not None and error.response.status_code in (403, 404):
            return None
        raise
    return str(answer.status.name).lower()


def _ask(kaggle: Kaggle, doing: str, ref: str, call: Callable[[Any], T]) -> T:
    try:
        return kaggle.ask(doing, ref, call)
    except Refused as refused:
        if refused.status not in (403, 404):
            raise
        owner, _, _ = ref.partition("/")
        raise UserError(
            f"Kaggle does not let this account do that ({refused.status}, {doing}). Is '{owner}' "
            "its name? A new account has to verify a telephone number first, at "
            "https://www.kaggle.com/settings."
        ) from None
