"""How a competition names its image files: one file per channel, or one file for all."""

from dataclasses import dataclass
from typing import Protocol


class ImageNames(Protocol):
    """Which files hold the image of an id.

    If there is one file per channel, `channels` lists them; a competition checks it against its
    own.
    """

    def files(self, image_id: str) -> tuple[str, ...]:
        """The image's file names in the split's folder, in channel order."""


@dataclass(frozen=True)
class FilePerChannel:
    """One grey file per channel: `pattern` has the placeholders `{id}` and `{channel}`."""

    pattern: str
    channels: tuple[str, ...]

    def files(self, image_id: str) -> tuple[str, ...]:
        return tuple(self.pattern.format(id=image_id, channel=name) for name in self.channels)


@dataclass(frozen=True)
class OneFile:
    """One file with every channel: `pattern` has the placeholder `{id}`."""

    pattern: str

    def files(self, image_id: str) -> tuple[str, ...]:
        return (self.pattern.format(id=image_id),)
