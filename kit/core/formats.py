"""JSON files that carry a format version, so that other versions of the kit can read or refuse."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from kit.core.disk import read_json, write_json
from kit.core.errors import UserError
from kit.core.version import VERSION


def _read_floats(value: Any) -> NDArray[np.float64]:
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError("lists of different lengths") from None
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError("not all of these are finite numbers")
    return array.astype(np.float64)


# An array of floats, which pydantic reads from and writes as lists.
Floats = Annotated[
    NDArray[np.float64],
    PlainValidator(_read_floats),
    PlainSerializer(lambda array: np.asarray(array).tolist()),
]


class EqualByValue:
    """The equality of a dataclass that has arrays: all fields alike. Declare it with eq=False."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            np.array_equal(value, vars(other)[name]) for name, value in vars(self).items()
        )

    __hash__ = None  # type: ignore[assignment]


# A file without a version is of the kit's first release, which wrote none.
UNVERSIONED = 0
_HEADER = ("format", "kit")

Kind = TypeVar("Kind")


class Unreadable(UserError):
    """A file that is damaged or too old to be read: the remedy is to make it again."""


@dataclass(frozen=True)
class Format:
    """One kind of JSON file: what it is called in messages, its version, and how to make it again.

    `oldest` is the oldest version that is still read; the caller brings it up to date. `remake`
    ends the message for one that is older still: a sentence that says what to do. Where files
    without a version were a bare list, `items` is the key that it is read under.
    """

    name: str
    version: int
    remake: str
    oldest: int = 1
    items: str | None = None

    def write(self, path: Path, content: Mapping[str, Any]) -> None:
        """Write `content` under the format's version and the kit's own, whole or not at all."""
        write_json(path, {"format": self.version, "kit": VERSION, **content})

    def read(self, path: Path) -> dict[str, Any]:
        """What `write` wrote, the version included; UserError in one line for any other file.

        A file of a newer format names the kit that wrote it; so does one too old to be read.
        """
        content = read_json(path)
        if self.items is not None and isinstance(content, list):
            content = {self.items: content}
        version = content.get("format", UNVERSIONED) if isinstance(content, dict) else None
        if type(version) is not int:
            raise Unreadable(f"{path} is not {self.name}. {self.remake}")
        maker = f"hpa-kit {content['kit']}" if "kit" in content else "hpa-kit 0.1"
        if version > self.version:
            raise UserError(
                f"{path} is {self.name} of format {version}, written by {maker}. This is hpa-kit "
                f"{VERSION}, which reads formats up to {self.version}: update it."
            )
        if version < self.oldest:
            raise Unreadable(
                f"{path} is {self.name} of format {version}, written by {maker}, which hpa-kit "
                f"{VERSION} no longer reads. {self.remake}"
            )
        return content

    def read_body(self, path: Path) -> dict[str, Any]:
        """As `read`, without the version and the kit's."""
        return {key: value for key, value in self.read(path).items() if key not in _HEADER}

    def read_as(self, path: Path, kind: type[Kind]) -> Kind:
        """The file as a value of this dataclass or Pydantic model, without the header.

        What a dataclass does not have is left out, and what the file does not have takes the
        dataclass's default, so that a field may be added without a new version. Raises UserError
        in one line as `read` does, and where a value is missing or of another type.
        """
        return self.as_kind(self.read_body(path), kind, path)

    def as_kind(self, content: Any, kind: type[Kind], path: Path) -> Kind:
        """Plain values from `path` as a value of this dataclass or model; UserError as above."""
        try:
            return TypeAdapter(kind).validate_python(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            reason = first["msg"].removeprefix("Value error, ")
            raise Unreadable(
                f"{path} is not as the kit writes it: {place}: {reason}. {self.remake}"
            ) from None
