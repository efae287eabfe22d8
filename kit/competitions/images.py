"""How a competition names its image files: one file per channel, or one file for all."""

from dataclasses import dataclass
from typing import Protocol

from kit.competitions.facts import check_pattern, texts_of


class ImageNames(Protocol):
    """Which files hold the image of an id.

    If there is one file per channel, `channels` lists them; a competition checks it against its
    own.
    """

    def files(self, image_id: str) -> tuple[str, ...]:
        """The image's file names in the split's folder, in channel order."""


@dataclass(frozen=True)
class FilePerChannel:
    """One grey file per channel: `pattern` has the placeholders `{id}` and `{channel}`.

    With a single channel, `{channel}` may be missing. Raises UserError for any other pattern.
    """

    pattern: str
    channels: tuple[str, ...]

    def __post_init__(self) -> None:
        several = len(texts_of("channels", self.channels)) > 1
        check_pattern(self.pattern, ("id", "channel"), ("id", "channel") if several else ("id",))

    def files(self, image_id: str) -> tuple[str, ...]:
        return tuple(self.pattern.format(id=image_id, channel=name) for name in self.channels)


@dataclass(frozen=True)
class OneFile:
    """One file with every channel: `pattern` has the placeholder `{id}`.

    Raises UserError for any other pattern.
    """

    pattern: str

    def __post_init__(self) -> None:
        check_pattern(self.pattern, ("id",), ("id",))

    def files(self, image_id: str) -> tuple[str, ...]:
        return (self.pattern.format(id=image_id),)
