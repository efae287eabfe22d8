"""One function per stage: it calls the work and prints the result."""
