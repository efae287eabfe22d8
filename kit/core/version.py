"""The release that this is, which files on disk name as their maker."""

VERSION = "0.2.0"
