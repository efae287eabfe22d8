"""Scores of the epochs as TensorBoard events: `tensorboard --logdir runs` plots them live."""

import time
from dataclasses import asdict
from pathlib import Path

from kit.data.run_files import EpochLog

# The version that TensorBoard expects in a file's first record.
FILE_VERSION = "brain.Event:2"


def append_events(path: Path, line: EpochLog) -> None:
    """Append one epoch's numbers to an event file, each as a scalar under its own name.

    The log of record is `log.csv`; this file is only for viewing and may be deleted. It uses
    TensorBoard's record writer, because the usual writer would import TensorFlow, which training on
    another backend must not.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    numbers = asdict(line)
    epoch = numbers.pop("epoch")
    values = [
        Summary.Value(tag=name, simple_value=value)
        for name, value in numbers.items()
        if value is not None
    ]
    event = Event(wall_time=time.time(), step=epoch, summary=Summary(value=values))
    begun = path.exists()
    with path.open("ab") as file:
        writer = RecordWriter(file)
        if not begun:
            first = Event(wall_time=time.time(), file_version=FILE_VERSION)
            writer.write(first.SerializeToString())
        writer.write(event.SerializeToString())
