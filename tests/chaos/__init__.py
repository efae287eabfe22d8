"""Chaos: every command is killed, starved, damaged and crowded, and must end with the same bytes.

`python -m chaos` (with `tests` on the path, as `make chaos` has it) runs everything and writes the
table of docs/reliability.md; `test_chaos.py` runs a sample. `line.py` has the commands, `parts.py`
the trials, `child.py` the process that a trial disturbs, and `verdict.py` the judgement.
"""
