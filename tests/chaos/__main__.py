"""The long form: `make chaos`, or `make chaos ONLY=damage` for a part.

Results are kept in .chaos/, so an interrupted run resumes; a change of the kit starts it again.
"""

import argparse
import json
import queue
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from chaos.line import make_golden
from chaos.parts import PARTS, sample, why_not
from chaos.table import print_table, write_page
from chaos.trials import Trial
from chaos.verdict import Result
from kit.core.disk import digest, digest_file, make_folder
from kit.core.machine import cores
from kit.core.terminal import TERMINAL, say

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / ".chaos"


def main() -> None:
    """Run the trials that have no result yet; print the table, and keep that of a whole run."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=tuple(PARTS), help="a part; default all")
    parser.add_argument("--short", action="store_true", help="the sample of the tests")
    asked = parser.parse_args()
    place = FOLDER / version()[:12]
    make_folder(place)
    golden = make_golden(place / "golden")
    parts = [asked.only] if asked.only else list(PARTS)
    not_run = {part: reason for part in parts if (reason := why_not(part))}
    trials: list[Trial] = []
    for part in parts:
        if part not in not_run:
            trials += sample(golden, part) if asked.short else PARTS[part](golden)
    results = run_all(trials, place)
    print_table(results, not_run)
    if asked.only is None and not asked.short:
        write_page(results, not_run, sum(_seconds(place)) / 60)
    if not all(one.good for one in results):
        sys.exit(1)


def version() -> str:
    """Changes with the kit and with the trials."""
    files = [*ROOT.glob("kit/**/*.py"), *ROOT.glob("tests/chaos/*.py")]
    return digest({path.relative_to(ROOT).as_posix(): digest_file(path) for path in files})


def run_all(trials: Sequence[Trial], place: Path) -> list[Result]:
    """The results of all trials, as many at a time as there are cores; known ones are read."""
    kept = place / "results.jsonl"
    known = {}
    for line in kept.read_text().splitlines() if kept.exists() else ():
        result = Result(**json.loads(line))
        known[result.part, result.case] = result
    due = [one for one in trials if (one.part, one.case) not in known]
    done = len(trials) - len(due)
    folders: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for number in range(cores()):
        folders.put(place / f"work{number}")

    def work(trial: Trial) -> Result:
        folder = folders.get()
        try:
            return trial.run(folder)
        finally:
            folders.put(folder)

    begun = time.monotonic()
    with (
        ThreadPoolExecutor(cores()) as pool,
        TERMINAL.bar("chaos", len(trials), done, lines=True) as bar,
        kept.open("a") as file,
    ):
        for result in pool.map(work, due):
            known[result.part, result.case] = result
            file.write(json.dumps(asdict(result)) + "\n")
            file.flush()
            if not result.good:
                say(f"{result.verdict}: {result.part}: {result.case}: {result.told}")
            bar.advance()
    with (place / "seconds").open("a") as file:
        file.write(f"{time.monotonic() - begun}\n")
    return [known[one.part, one.case] for one in trials]


def _seconds(place: Path) -> list[float]:
    return [float(line) for line in (place / "seconds").read_text().splitlines()]


if __name__ == "__main__":
    main()
