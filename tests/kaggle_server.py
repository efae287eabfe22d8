"""A stand-in for Kaggle on loopback, which the real client talks to, and which fails when told.

It speaks the protocol that the client speaks: `POST /api/v1/<service>/<Method>` with camelCase
JSON, fields of default value left out; the bytes of a submission by `PUT` to an address of their
own, without credentials; data files by a redirect. A submission is graded by the function it is
made with. `fail` queues what shall go wrong with the next requests of a kind.
"""

import base64
import json
import re
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from kit.competitions.base import Grades
from kit.core.errors import UserError

SLUG = "synthetic-cells"
TOKEN = "KGAT_marker0token0marker"
USERNAME = "marie"
KEY = "marker0key0marker0key0marker0key"


@dataclass(frozen=True)
class Answer:
    """Answer with this status and message, and do nothing."""

    status: int
    message: str = "as told"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Cut:
    """End the connection without an answer: before the request is obeyed, or after.

    A `PUT` is cut in the middle of its bytes, a `GET` after `sent` bytes of the body.
    """

    obeyed: bool = False
    sent: int = 0


@dataclass(frozen=True)
class Garbage:
    """Obey, and answer with a body that is no answer."""

    body: str = '{"ref": 4'


@dataclass
class Hold:
    """Keep the request waiting until `let_go`; then obey it if `obey`, and cut the connection."""

    obey: bool = True
    reached: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)


Fault = Answer | Cut | Garbage | Hold


class KaggleServer:
    """The state of the stand-in: what was submitted, what it answers, what goes wrong next."""

    def __init__(self, grade: Callable[[bytes], Grades]) -> None:
        self.grade = grade
        self.slug = SLUG
        self.per_day = 5
        self.used_before = 0
        self.rules_accepted = True
        self.polls_until_scored: int | None = 0
        self.page_size = 100
        self.description_size = 500
        self.files: dict[str, bytes] = {}
        self.submissions: list[dict[str, Any]] = []
        # Where submissions go that the list is not to show yet.
        self.arrives_late: list[dict[str, Any]] | None = None
        self.calls: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.port = 0
        self._faults: dict[str, list[Fault | None]] = defaultdict(list)
        self._uploads: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._idle = threading.Condition()
        self._busy = 0

    def fail(self, request: str, fault: Fault, times: int = 1) -> None:
        """Let the next `times` requests of a kind go wrong; "PUT" and "GET" are kinds too."""
        self._faults[request] += [fault] * times

    def fail_after(self, request: str, good: int, fault: Fault, times: int = 1) -> None:
        """Answer `good` requests of a kind as usual, and let the next `times` go wrong."""
        self._faults[request] += [None] * good + [fault] * times

    def heal(self) -> None:
        """Let nothing more go wrong."""
        self._faults.clear()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Count a request as being worked on while the block runs."""
        with self._idle:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def wait_for_idle(self) -> None:
        """Wait until no request is being worked on."""
        with self._idle:
            assert self._idle.wait_for(lambda: self._busy == 0, timeout=60)

    def next_fault(self, request: str) -> Fault | None:
        with self._lock:
            self.calls[request] += 1
            queue = self._faults[request]
            return queue.pop(0) if queue else None

    def obey(self, method: str, body: dict[str, Any]) -> dict[str, Any] | Answer:
        """Do what a request asks for; what is answered, or an Answer of another status than 200."""
        if method == "IntrospectToken":
            known = body.get("token") == TOKEN
            return {"active": True, "username": USERNAME} if known else Answer(400, "no token")
        if body.get("competitionName") != self.slug:
            return Answer(403, "Permission 'competitions.get' was denied")
        if not self.rules_accepted:
            return Answer(403, "You must accept this competition's rules")
        with self._lock:
            actions: dict[str, Callable[[dict[str, Any]], dict[str, Any] | Answer]] = {
                "GetSubmissionLimits": self._limits,
                "StartSubmissionUpload": self._start,
                "CreateSubmission": self._create,
                "ListSubmissions": self._list,
                "DownloadDataFile": self._download,
            }
            return actions[method](body)

    def store(self, place: str, content: bytes) -> bool:
        """Keep the bytes that were put; whether they are as many as were announced."""
        self._uploads[place]["content"] = content
        return len(content) == self._uploads[place]["size"]

    def _used(self) -> int:
        return self.used_before + len(self.submissions)

    def _limits(self, body: dict[str, Any]) -> dict[str, Any]:
        used = self._used()
        left = max(0, self.per_day - used)
        # As before the first submission of all: this account is on no team.
        return {"numToday": used, "numTotal": used, "numAllowedNow": left} if used else {}

    def _start(self, body: dict[str, Any]) -> dict[str, Any]:
        place = f"{len(self._uploads)}"
        self._uploads[place] = {"name": body["fileName"], "size": body["contentLength"]}
        return {"token": place, "createUrl": f"http://127.0.0.1:{self.port}/upload/{place}"}

    def _create(self, body: dict[str, Any]) -> dict[str, Any] | Answer:
        if self._used() >= self.per_day:
            return Answer(400, "Submission limit reached")
        upload = self._uploads[body["blobFileTokens"]]
        made: dict[str, Any] = {
            "ref": 1000 + len(self.submissions),
            "fileName": upload["name"],
            "description": body.get("submissionDescription", "")[: self.description_size],
            "totalBytes": upload["size"],
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
            "polls": 0,
        }
        try:
            grades = self.grade(upload["content"])
            made["publicScore"], made["privateScore"] = repr(grades.public), repr(grades.private)
        except UserError as error:
            made["errorDescription"] = str(error)
        (self.submissions if self.arrives_late is None else self.arrives_late).append(made)
        return {"message": "Successfully submitted", "ref": made["ref"]}

    def _list(self, body: dict[str, Any]) -> dict[str, Any]:
        newest_first = self.submissions[::-1]
        start = int(body.get("pageToken") or 0)
        end = start + min(self.page_size, body.get("pageSize", 20))
        page = [self._shown(made) for made in newest_first[start:end]]
        return {"submissions": page, "nextPageToken": str(end) if end < len(newest_first) else ""}

    def _shown(self, made: dict[str, Any]) -> dict[str, Any]:
        if self.polls_until_scored is None or made["polls"] < self.polls_until_scored:
            made["polls"] += 1
            hidden = ("polls", "publicScore", "privateScore", "errorDescription")
            return {key: value for key, value in made.items() if key not in hidden}
        shown = {key: value for key, value in made.items() if key != "polls"}
        return {**shown, "status": "ERROR" if "errorDescription" in made else "COMPLETE"}

    def _download(self, body: dict[str, Any]) -> Answer:
        for name in (body["fileName"], f"{body['fileName']}.zip"):
            if name in self.files:
                address = f"http://127.0.0.1:{self.port}/files/{name}?signature=marker0signed"
                return Answer(302, "", (("Location", address),))
        return Answer(404, "Not found")


@contextmanager
def serving(server: KaggleServer) -> Iterator[KaggleServer]:
    """Serve on a free port of loopback until the block ends."""
    handler = type("Handler", (_Handler,), {"state": server})
    with _Listener(("127.0.0.1", 0), handler) as listener:
        server.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


def environment(server: KaggleServer) -> dict[str, str]:
    """What sends the real client to the stand-in: it takes http://localhost for Kaggle.

    The stand-in is the proxy on the way there; the addresses that it gives out itself lie on
    127.0.0.1 and are reached directly.
    """
    return {
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "http_proxy": f"http://127.0.0.1:{server.port}",
        "no_proxy": "127.0.0.1",
    }


class _Listener(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show what is wrong with the stand-in; not that a client hung up, which is asked for."""
        if not isinstance(sys.exception(), ConnectionError | ValueError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    state: KaggleServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        with self.state.at_work():
            self._post()

    def do_PUT(self) -> None:
        with self.state.at_work():
            self._put()

    def _post(self) -> None:
        # A proxy is asked for the whole address.
        path = urlsplit(self.path).path
        assert path.startswith("/api/v1/"), path
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method = path.rsplit("/", 1)[1]
        fault = self.state.next_fault(method)
        if isinstance(fault, Answer):
            return self._answer(fault)
        if isinstance(fault, Hold):
            fault.reached.set()
            fault.let_go.wait(60)
        if isinstance(fault, Cut) and not fault.obeyed:
            return self._cut()
        if not self._is_known():
            return self._answer(Answer(401, "Unauthenticated"))
        if isinstance(fault, Hold) and not fault.obey:
            return self._cut()
        answer = self.state.obey(method, body)
        if isinstance(fault, Cut | Hold):
            return self._cut()
        if isinstance(fault, Garbage):
            return self._send(200, fault.body.encode(), (("Content-Type", "application/json"),))
        self._answer(answer)

    def _put(self) -> None:
        assert "Authorization" not in self.headers
        size = int(self.headers["Content-Length"])
        fault = self.state.next_fault("PUT")
        if isinstance(fault, Cut):
            self.rfile.read(size // 2)
            return self._cut()
        content = self.rfile.read(size)
        if isinstance(fault, Hold):
            fault.reached.set()
            fault.let_go.wait(60)
            return self._cut()
        if isinstance(fault, Answer):
            return self._answer(fault)
        whole = self.state.store(self.path.rsplit("/", 1)[1], content)
        self._send(200 if whole else 503, b"", ())

    def do_GET(self) -> None:
        assert "Authorization" not in self.headers
        content = self.state.files[urlsplit(self.path).path.removeprefix("/files/")]
        tag = f'"{hash(content)}"'
        fault = self.state.next_fault("GET")
        if isinstance(fault, Answer):
            return self._answer(fault)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", tag) == tag
        start = int(asked[1]) if asked and same else 0
        self.state.ranges.append(self.headers.get("Range", ""))
        part = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", tag)
        self.end_headers()
        if isinstance(fault, Cut):
            self.wfile.write(part[: fault.sent])
            return self._cut()
        try:
            self.wfile.write(part)
        except ConnectionError:  # only the headers were wanted
            self.close_connection = True

    def _is_known(self) -> bool:
        basic = base64.b64encode(f"{USERNAME}:{KEY}".encode()).decode()
        return self.headers.get("Authorization") in (f"Bearer {TOKEN}", f"Basic {basic}")

    def _answer(self, answer: dict[str, Any] | Answer) -> None:
        if isinstance(answer, dict):
            left_out = {key: value for key, value in answer.items() if value not in ("", 0, [])}
            answer = Answer(200)
        else:
            left_out = {"code": answer.status, "message": answer.message}
        headers = (("Content-Type", "application/json"), *answer.headers)
        self._send(answer.status, json.dumps(left_out).encode(), headers)

    def _send(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:  # the client was killed meanwhile
            self.close_connection = True

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
