"""Scores of the epochs as TensorBoard events: `tensorboard --logdir runs` plots them live."""

import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from kit.core.faults import fault_of, unwritten
from kit.data.run_files import EpochLog

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

# The version that TensorBoard expects in a file's first record.
FILE_VERSION = "brain.Event:2"
# A record: the length of its data as 8 bytes, their checksum, the data, and their checksum.
_LENGTH, _CHECK = 8, 4


def append_events(path: Path, log: Sequence[EpochLog]) -> None:
    """Append the last epoch of a log to an event file, and any before it that the file lacks.

    Each number is a scalar under its own name. TensorBoard reads a file up to the first record that
    is not complete, so what a kill or a full disk left there is cut off first. The log of record is
    `log.csv`; this file is only for viewing and may be deleted. It uses TensorBoard's record
    writer, because the usual writer would import TensorFlow, which training on another backend must
    not. Raises UserError when the file system refuses to write it.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    content = path.read_bytes() if path.exists() else b""
    end, epochs = 0, 0
    for event, after in _events(content):
        if event.HasField("summary") and event.step != epochs:
            break
        epochs += event.HasField("summary")
        end = after
        if epochs == len(log) - 1:
            break
    try:
        with path.open("r+b" if content else "wb") as file:
            file.truncate(end)
            file.seek(end)
            writer = RecordWriter(file)
            if end == 0:
                first = Event(wall_time=time.time(), file_version=FILE_VERSION)
                writer.write(first.SerializeToString())
            for line in log[epochs:]:
                writer.write(_event(line).SerializeToString())
    except OSError as error:
        if fault_of(error):
            raise unwritten(path, error) from error
        raise


def _event(line: EpochLog) -> "Event":
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    numbers = asdict(line)
    epoch = numbers.pop("epoch")
    values = [
        Summary.Value(tag=name, simple_value=value)
        for name, value in numbers.items()
        if value is not None
    ]
    return Event(wall_time=time.time(), step=epoch, summary=Summary(value=values))


def _events(content: bytes) -> "Iterator[tuple[Event, int]]":
    """The complete records at the beginning of a file, each with the position of its end."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    start = 0
    while start + _LENGTH + _CHECK <= len(content):
        header = content[start : start + _LENGTH]
        data = start + _LENGTH + _CHECK
        end = data + struct.unpack("<Q", header)[0]
        found = content[data:end]
        checks = (content[start + _LENGTH : data], content[end : end + _CHECK])
        expected = tuple(struct.pack("<I", masked_crc32c(part)) for part in (header, found))
        if checks != expected:
            return
        try:
            event = Event.FromString(found)
        except DecodeError:
            return
        start = end + _CHECK
        yield event, start
