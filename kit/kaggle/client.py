"""The official client, and the only place that imports it.

`kaggle` has two layers: `KaggleApi`, its command line as a class, and below it the services of
`kagglesdk`, one method per request. This module uses both. `KaggleApi` authenticates, because it
handles three kinds of credentials and their renewal. Requests go to the services directly:
`KaggleApi.competition_submit` makes three requests in one call, so nothing can be recorded
between them, and it prints an error and returns a message where it should raise. `requests` sends
the bytes, as in the client, but without the client's ten retries: they can wait for minutes and
cannot report it.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar

import requests
from requests.adapters import HTTPAdapter

from kit.core.progress import SILENT, Reporter
from kit.kaggle.answers import (
    StorageError,
    Unanswered,
    explain,
    is_passing,
    refused_credentials,
)
from kit.kaggle.clock import Clock
from kit.kaggle.credentials import Credentials, find_credentials
from kit.kaggle.listed import Limits, Listed, read_page
from kit.kaggle.retry import patiently

T = TypeVar("T")

# Seconds to connect, and between two chunks of an answer. The client sets neither, so it would
# wait forever for a connection that died silently.
TIMEOUT = (20.0, 120.0)
LIST_PAGE = 100

SendStep = Literal["address", "bytes"]


class Kaggle:
    """An authenticated client. `api` is the official client's own `KaggleApi`.

    `reporter` receives waits, uploads and downloads. Every method retries transient errors, then
    raises Refused when Kaggle said no, Unanswered when it is not known what Kaggle did, and
    KaggleFault for anything unexpected.
    """

    def __init__(
        self, api: Any, credentials: Credentials, clock: Clock, reporter: Reporter
    ) -> None:
        self.api, self.credentials = api, credentials
        self.reporter = reporter
        self._clock = clock

    def limits(self, slug: str) -> Limits:
        """How many submissions are left today."""
        from kagglesdk.competitions.types.competition_api_service import (
            ApiGetSubmissionLimitsRequest,
        )

        request = ApiGetSubmissionLimitsRequest()
        request.competition_name = slug
        doing = "checking the submissions left"
        answer = self._ask(doing, slug, lambda api: api.get_submission_limits(request))
        if not answer.num_allowed_now and not answer.num_total:
            return Limits(None, False)  # all zero: no team yet, as before the first submission
        return Limits(answer.num_allowed_now, answer.limited_by_total)

    def submissions(self, slug: str) -> tuple[Listed, ...]:
        """Every submission of the account's team, newest first, as Kaggle lists them."""
        from kagglesdk.competitions.types.competition_api_service import (
            ApiListSubmissionsRequest,
        )

        listed: list[Listed] = []
        request = ApiListSubmissionsRequest()
        request.competition_name = slug
        request.page_size = LIST_PAGE
        request.page = 1
        while True:
            doing = "listing submissions"
            token, page = self._ask(
                doing, slug, lambda api: read_page(api.list_submissions(request))
            )
            listed.extend(page)
            if not token:
                return tuple(listed)
            request.page = None
            request.page_token = token

    def send_file(
        self, slug: str, path: Path, step: Callable[[SendStep], object], sent: Callable[[int], None]
    ) -> str:
        """Upload a file without submitting it; returns the token to submit it with.

        `step` is called before each of the two requests, `sent` with the number of bytes sent. An
        interrupted upload restarts from the beginning at a new URL.
        """
        from kagglesdk.competitions.types.competition_api_service import (
            ApiStartSubmissionUploadRequest,
        )

        request = ApiStartSubmissionUploadRequest()
        request.competition_name = slug
        request.file_name = path.name
        request.content_length = path.stat().st_size
        request.last_modified_epoch_seconds = int(path.stat().st_mtime)

        def once(api: Any) -> str:
            step("address")
            answer = api.start_submission_upload(request)
            step("bytes")
            put_file(answer.create_url, path, sent)
            return str(answer.token)

        return self._ask("sending the file", slug, once)

    def create_submission(self, slug: str, token: str, description: str) -> int:
        """Submit an uploaded file and return the submission's number.

        Not retried: a request without an answer may have been carried out, so Unanswered is
        raised. Only a 429 is retried, because it says that nothing was done.
        """
        from kagglesdk.competitions.types.competition_api_service import (
            ApiCreateSubmissionRequest,
        )

        request = ApiCreateSubmissionRequest()
        request.competition_name = slug
        request.blob_file_tokens = token
        request.submission_description = description
        answer = self._ask(
            "submitting", slug, lambda api: api.create_submission(request), _is_slow_down
        )
        if not answer.ref:
            said = self.credentials.redact(answer.message)
            raise Unanswered(f"Kaggle returned no submission number; it said: '{said}'.")
        return int(answer.ref)

    def open_file(self, slug: str, name: str) -> requests.Response:
        """The response to a request for a data file: headers read, body not yet."""
        from kagglesdk.competitions.types.competition_api_service import (
            ApiDownloadDataFileRequest,
        )

        request = ApiDownloadDataFileRequest()
        request.competition_name = slug
        request.file_name = name
        doing = f"requesting {name}"
        answer: requests.Response = self._ask(
            doing, slug, lambda api: api.download_data_file(request)
        )
        return answer

    def patiently(
        self, doing: str, slug: str, call: Callable[[], T], progress: Callable[[], int]
    ) -> T:
        """Call with the retries used here; `progress` as in `retry.patiently`."""
        with _explained(doing, slug, self.credentials):
            return patiently(call, self._clock, is_passing, progress, self.reporter)

    def _ask(
        self,
        doing: str,
        slug: str,
        call: Callable[[Any], T],
        passing: Callable[[Exception], bool] = is_passing,
    ) -> T:
        return self.ask(
            doing, slug, lambda client: call(client.competitions.competition_api_client), passing
        )

    def ask(
        self,
        doing: str,
        slug: str,
        call: Callable[[Any], T],
        passing: Callable[[Exception], bool] = is_passing,
    ) -> T:
        """Run `call` on a client of the `kagglesdk` services, with retries; returns its result."""

        def once() -> T:
            with self.api.build_kaggle_client() as client:
                session = client.http_client()._session  # no public access
                for scheme in ("http://", "https://"):
                    session.mount(scheme, _InTime())
                # Otherwise the announced size may be that of a compressed body.
                session.headers["Accept-Encoding"] = "identity"
                return call(client)

        with _explained(doing, slug, self.credentials):
            return patiently(once, self._clock, passing, reporter=self.reporter)


def connect(clock: Clock, reporter: Reporter = SILENT) -> Kaggle:
    """The client, authenticated with this user's credentials.

    Raises NoCredentials when there are none, UserError when others can read them, and Refused
    when Kaggle rejects them.
    """
    found = find_credentials(os.environ, Path.home())
    with _silently():
        # The import authenticates an instance of its own, and prints a page of help on failure.
        from kaggle.api.kaggle_api_extended import KaggleApi
    api = KaggleApi()
    if found.config is not None:
        api.config = str(found.config)  # the client searches one folder, fixed on import

    def authenticate() -> None:
        with _silently():
            try:
                api.authenticate()
            except SystemExit:  # Kaggle accepts none of them
                raise refused_credentials(found.sources) from None

    with _explained("authenticating", "", found):
        patiently(authenticate, clock, is_passing, reporter=reporter)
    renewed = api.config_values.get(api.CONFIG_NAME_TOKEN)
    secrets = found.secrets | ({renewed} if renewed else set())
    return Kaggle(api, replace(found, secrets=secrets), clock, reporter)


def put_file(url: str, path: Path, sent: Callable[[int], None]) -> None:
    """Send a file to the URL that Kaggle gave for it; `sent` is called with the bytes sent so far.

    Raises StorageError when the storage refuses it.
    """
    with path.open("rb") as file:
        body = _Counted(file, path.stat().st_size, sent)
        stored = requests.put(url, data=body, timeout=TIMEOUT)
    if not stored.ok:
        raise StorageError(stored.status_code)


@contextmanager
def _silently() -> Iterator[None]:
    """Suppress what the client prints on import and while it authenticates.

    With VERBOSE set it prints the header and body of each request, and both contain the token.
    """
    names = ("VERBOSE", "VERBOSE_OUTPUT")
    held = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        os.environ.update(held)


@contextmanager
def _explained(doing: str, slug: str, credentials: Credentials) -> Iterator[None]:
    """Translate every client error: the raw message may quote a header or a URL."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - every one is raised again with a clear message
        raise explain(error, doing, slug, credentials) from None


def _is_slow_down(error: Exception) -> bool:
    response = error.response if isinstance(error, requests.HTTPError) else None
    return response is not None and response.status_code == 429


class _InTime(HTTPAdapter):
    """Adds a timeout to requests that have none."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        return super().send(request, stream, timeout or TIMEOUT, verify, cert, proxies)


class _Counted:
    """A file of known length that reports how much of it has been read."""

    def __init__(self, file: BinaryIO, size: int, read: Callable[[int], None]) -> None:
        self._file = file
        self._size = size
        self._told = read

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._told(self._file.tell())
        return piece
