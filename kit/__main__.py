"""`python -m kit` is the console script `kit`."""

from kit.core.interrupts import end_at_once, end_in_silence


def main() -> None:
    """Run the command line, ready for signals from the first import to the end of the process."""
    end_at_once()
    from kit.cli import main as command_line  # late: it takes a moment

    try:
        command_line()
    finally:
        end_in_silence()


if __name__ == "__main__":
    main()
