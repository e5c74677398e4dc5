"""The command line. Each command is imported when it is asked for: `hub --help` must not wait for a database driver."""

from .root import main

__all__ = ["main"]
