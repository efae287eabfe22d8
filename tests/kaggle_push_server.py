"""The stand-in for Kaggle with datasets and notebooks: what is pushed, and what goes wrong."""

import io
import zipfile
from collections import Counter
from typing import Any

from kaggle_server import USERNAME, Answer, KaggleServer

from kit.competitions.base import Grades


class PushServer(KaggleServer):
    """Keeps datasets, file by file as Kaggle unpacks them, and notebooks with their sources.

    `looks_until_ready` is how often a dataset is asked for before it is ready, and `ends_as` what
    it then is. `save_answer` is what saving a notebook adds to its answer.
    """

    def __init__(self) -> None:
        super().__init__(lambda content: Grades(0.0, 0.0))
        self.datasets: dict[str, list[dict[str, bytes]]] = {}
        self.requests: list[dict[str, Any]] = []
        self.notebooks: list[dict[str, Any]] = []
        self.looks_until_ready = 0
        self.ends_as = "READY"
        self.dataset_answer: dict[str, Any] = {"status": "ok"}
        self.save_answer: dict[str, Any] = {}
        self._looks: Counter[str] = Counter()

    def obey(self, method: str, body: dict[str, Any]) -> dict[str, Any] | Answer:
        if method == "StartBlobUpload":
            assert body["type"] == "DATASET"
            return self._start({"fileName": body["name"], "contentLength": body["contentLength"]})
        if method == "GetDatasetStatus":
            return self._dataset_status(f"{body['ownerSlug']}/{body['datasetSlug']}")
        if method == "CreateDataset":
            return self._make(f"{body['ownerSlug']}/{body['slug']}", body)
        if method == "CreateDatasetVersion":
            ref = f"{body['ownerSlug']}/{body['datasetSlug']}"
            assert ref in self.datasets
            return self._make(ref, body["body"])
        if method == "SaveKernel":
            return self._save(body)
        return super().obey(method, body)

    def _dataset_status(self, ref: str) -> dict[str, Any] | Answer:
        if ref not in self.datasets:
            return Answer(403, "Permission 'datasets.get' was denied")
        self._looks[ref] += 1
        ready = self._looks[ref] > self.looks_until_ready
        return {"status": self.ends_as if ready else "BLOBS_RECEIVED"}

    def _make(self, ref: str, body: dict[str, Any]) -> dict[str, Any] | Answer:
        if not ref.startswith(f"{USERNAME}/"):
            return Answer(403, "Permission 'datasets.create' was denied")
        self.requests.append(body)
        if self.dataset_answer.get("status") == "ok":
            unpacked: dict[str, bytes] = {}
            for part in body["files"]:
                unpacked |= self._unpack(self._uploads[part["token"]])
            self.datasets.setdefault(ref, []).append(unpacked)
            self._looks[ref] = 0
        return {"url": f"https://www.kaggle.com/datasets/{ref}", **self.dataset_answer}

    def _unpack(self, upload: dict[str, Any]) -> dict[str, bytes]:
        name, content = upload["name"], upload["content"]
        if not name.endswith(".zip"):
            return {name: content}
        folder = name.removesuffix(".zip")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {f"{folder}/{inside}": archive.read(inside) for inside in archive.namelist()}

    def _save(self, body: dict[str, Any]) -> dict[str, Any]:
        found = {
            "invalidDatasetSources": [
                ref for ref in body.get("datasetDataSources", []) if ref not in self.datasets
            ],
            **self.save_answer,
        }
        if not found.get("error"):
            self.notebooks.append(body)
        version = len(self.notebooks)
        url = f"https://www.kaggle.com/code/{body['slug']}"
        return {"ref": body["slug"], "url": url, "versionNumber": version, **found}
