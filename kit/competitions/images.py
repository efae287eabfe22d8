"""How a competition names its image files: one file a channel, or one file for all."""

from dataclasses import dataclass
from typing import Protocol


class ImageNames(Protocol):
    """Which files hold the image of an id.

    Names that go by channel also have `channels`, which a competition checks against its own.
    """

    def files(self, image_id: str) -> tuple[str, ...]:
        """The names of the image's files, below the split's folder, in the channels' order."""


@dataclass(frozen=True)
class FilePerChannel:
    """One grey file a channel: `pattern` has the places `{id}` and `{channel}`."""

    pattern: str
    channels: tuple[str, ...]

    def files(self, image_id: str) -> tuple[str, ...]:
        return tuple(self.pattern.format(id=image_id, channel=name) for name in self.channels)


@dataclass(frozen=True)
class OneFile:
    """One file with every channel in it: `pattern` has the place `{id}`."""

    pattern: str

    def files(self, image_id: str) -> tuple[str, ...]:
        return (self.pattern.format(id=image_id),)
