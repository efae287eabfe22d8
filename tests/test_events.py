"""The TensorBoard events of a training."""

import subprocess
import sys
from pathlib import Path

from kit.data.run_files import EpochLog
from kit.training.events import append_events


def test_events_are_read_by_tensorboard_and_need_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "sys.modules['tensorflow'] = None\n"  # an import of it now fails
        "from kit.data.run_files import EpochLog\n"
        "from kit.training.events import append_events\n"
        "path = pathlib.Path(sys.argv[1]) / 'events.out.tfevents.kit'\n"
        "log = []\n"
        "for epoch in range(3):\n"
        "    log.append(EpochLog(epoch, 0.5, accuracy=0.9, exact_match=0.1, val_accuracy=0.8))\n"
        "    append_events(path, log)\n"
        "from tensorboard.backend.event_processing.event_file_loader import EventFileLoader\n"
        "events = [event for event in EventFileLoader(str(path)).Load() if event.summary.value]\n"
        "print([event.step for event in events])\n"
        "print(*(value.tag for value in events[0].summary.value))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
    )
    assert done.stdout == (
        "[0, 1, 2]\n"
        "loss accuracy exact_match batch_f1 val_accuracy learning_rate samples_per_second seconds\n"
    ), done.stderr


def test_a_record_that_was_cut_short_hides_none_of_the_later_ones(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.kit"
    log = [EpochLog(epoch, loss) for epoch, loss in enumerate((0.5, 0.4, 0.3, 0.2))]
    for epochs in (1, 2):
        append_events(path, log[:epochs])
    whole = path.read_bytes()
    for damaged in (whole[:-5], whole[:30], b"", b"not events", whole[:-40] + b"x" * 40):
        path.write_bytes(damaged)
        append_events(path, log[:3])
        append_events(path, log)
        assert drawn(path) == [0, 1, 2, 3]
    append_events(path, log[:2])  # the fold went back to the end of its first epoch
    assert drawn(path) == [0, 1]
    path.unlink()
    append_events(path, log)
    assert drawn(path) == [0, 1, 2, 3]


def drawn(path: Path) -> list[int]:
    """The epochs that TensorBoard reads from a file."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    events = [event for event in EventFileLoader(str(path)).Load() if event.HasField("summary")]
    return [event.step for event in events]
