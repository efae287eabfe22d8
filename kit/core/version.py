"""The kit's version, recorded in the files that it writes."""

VERSION = "0.2.0"
