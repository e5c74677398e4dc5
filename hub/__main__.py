"""The command line: `hub`, or `python -m hub`."""

from hub.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
