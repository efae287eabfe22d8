"""Sends a dataset and a notebook to Kaggle and checks the fields of each answer.

The client's own `dataset_create_new` skips a file that it could not upload and creates an
incomplete dataset; its command line exits with status 0 whatever went wrong. So requests go to
the services of `kagglesdk`, as in `client.py`; only the notebook goes through `KaggleApi`.
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

# Kaggle unpacks and copies a dataset of some gigabytes within minutes.
SECONDS_BETWEEN_LOOKS = 10.0
MOST_LOOKS = 180


@dataclass(frozen=True)
class PushedNotebook:
    """The notebook's URL and version; None when Kaggle did not report it."""

    url: str
    version: int | None


def account_name(kaggle: Kaggle) -> str:
    """The account name, as in the URLs of its datasets and notebooks."""
    name = kaggle.api.config_values.get(kaggle.api.CONFIG_NAME_USER)
    if not name:
        raise UserError("Kaggle did not report which account these credentials belong to.")
    return str(name)


def dataset_status(kaggle: Kaggle, ref: str) -> str | None:
    """The status of the dataset `owner/name` ("ready" in the end); None if it does not exist."""
    doing = f"checking the dataset {ref}"
    return _ask(kaggle, doing, ref, lambda client: _status(client, ref))


def send_part(kaggle: Kaggle, ref: str, path: Path, sent: Callable[[int], None]) -> str:
    """Upload a file of a dataset; returns the token that identifies it.

    `sent` is called with the number of bytes sent so far.
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
    """Create a private dataset from uploaded files, or a new version if it exists.

    `metadata` is the content of dataset-metadata.json. Retrying an unanswered request may create
    one extra version, which does no harm. Raises UserError when Kaggle refuses.
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

    answer = _ask(kaggle, f"creating the dataset {ref}", ref, once)
    if answer.error or answer.status.lower() != "ok":
        said = kaggle.credentials.redact(answer.error or f"its status is '{answer.status}'")
        raise UserError(
            f"Kaggle did not create the dataset {ref}: {said}. If the title is taken, choose "
            "another: --title TITLE"
        )


def wait_for_dataset(kaggle: Kaggle, ref: str, clock: Clock) -> None:
    """Wait until a dataset is ready; UserError when Kaggle fails to unpack it or takes too long."""
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
        f"The dataset {ref} is sent but not ready ('{status}'). Push again later to resume."
    )


def push_notebook(kaggle: Kaggle, folder: Path, ref: str) -> PushedNotebook:
    """Push the notebook in a folder as a new version, which Kaggle then runs.

    Raises UserError when Kaggle refuses it or saves it without one of its sources.
    """
    doing = f"sending the notebook {ref}"
    answer = _ask(kaggle, doing, ref, lambda _: kaggle.api.kernels_push(str(folder)))
    redact = kaggle.credentials.redact
    if answer.error:
        raise UserError(f"Kaggle refused the notebook {ref}: {redact(answer.error)}")
    if lost := [*answer.invalid_dataset_sources, *answer.invalid_kernel_sources]:
        raise UserError(
            f"Kaggle saved the notebook {ref} without {', '.join(lost)}: unknown to Kaggle so far, "
            "or not visible to this account. Push again in a few minutes."
        )
    if lost := answer.invalid_competition_sources:
        raise UserError(
            f"Kaggle saved the notebook {ref} without the competition {', '.join(lost)}: accept "
            f"its rules at https://www.kaggle.com/competitions/{lost[0]}/rules and push again."
        )
    return PushedNotebook(answer.url, answer.version_number)


def _status(client: Any, ref: str) -> str | None:
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetStatusRequest

    request = ApiGetDatasetStatusRequest()
    request.owner_slug, _, request.dataset_slug = ref.partition("/")
    try:
        answer = client.datasets.dataset_api_client.get_dataset_status(request)
    except requests.HTTPError as error:
        # 403 as well: Kaggle does not reveal whether a private dataset exists.
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
            f"Kaggle does not allow this account to do that ({refused.status}, {doing}). Is "
            f"'{owner}' its name? A new account must first verify a phone number at "
            "https://www.kaggle.com/settings."
        ) from None
