"""Asks OSV, the database of vulnerabilities, about every package of a lock.

    python bench/audit.py requirements.txt

Needs pip-audit, which `make audit` installs. Exits with 1 if a package has a known vulnerability,
and with 2 if the audit did not take place: pip-audit itself succeeds when a database knows none of
the packages, as a mirror of PyPI does.
"""

import json
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

AUDIT = (sys.executable, "-m", "pip_audit")
# `name==version` and the marker, without extras and hashes: pip-audit accepts no name twice.
_PIN = re.compile(r"^([\w.-]+)(?:\[[^]]*\])?(==[^\s;\\]+)( ; [^\n\\]*)?", re.M)


def pins(lock: str) -> list[str]:
    """A line per package and version of a lock; the marker is kept."""
    return list(dict.fromkeys("".join(found).strip() for found in _PIN.findall(lock)))


def judge(answer: str, errors: str) -> tuple[int, str]:
    """The exit status and what to print, from what pip-audit printed as JSON and as errors."""
    try:
        packages = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = textwrap.shorten((errors.strip().splitlines() or ["no answer"])[-1], 150)
        return 2, f"Not audited: the database of vulnerabilities cannot be reached: {last}"
    unknown = [one["name"] for one in packages if "vulns" not in one]
    if unknown or not packages:
        listed = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        return 2, f"Not audited: the database has no answer for {len(unknown)} packages: {listed}."
    found = [
        f"{one['name']} {one['version']}: {vulnerability['id']}, fixed in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for one in packages
        for vulnerability in one["vulns"]
    ]
    return (1, "\n".join(found)) if found else (0, f"{len(packages)} packages, none vulnerable.")


def main() -> None:
    """Audit the lock named on the command line."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "pins.txt"
        listed.write_text("\n".join(pins(Path(sys.argv[1]).read_text(encoding="utf-8"))) + "\n")
        options = ("--requirement", str(listed), "--no-deps", "--disable-pip")
        service = (
            "--vulnerability-service",
            "osv",
            "--format",
            "json",
            "--progress-spinner",
            "off",
        )
        done = subprocess.run([*AUDIT, *options, *service], capture_output=True, text=True)
    status, line = judge(done.stdout, done.stderr)
    print(line, file=sys.stderr if status else sys.stdout)
    sys.exit(status)


if __name__ == "__main__":
    main()
