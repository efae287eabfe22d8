"""The TensorBoard events of a training."""

import subprocess
import sys
from pathlib import Path


def test_events_are_read_by_tensorboard_and_need_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "sys.modules['tensorflow'] = None\n"  # an import of it now fails
        "from kit.data.run_files import EpochLog\n"
        "from kit.training.events import append_events\n"
        "path = pathlib.Path(sys.argv[1]) / 'events.out.tfevents.kit'\n"
        "for epoch in range(3):\n"
        "    line = EpochLog(epoch, 0.5, accuracy=0.9, exact_match=0.1, val_accuracy=0.8)\n"
        "    append_events(path, line)\n"
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
