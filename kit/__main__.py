"""`python -m kit` is the console script `kit`."""

from kit.cli import main

main()
