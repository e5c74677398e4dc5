"""`make demo`."""

import argparse
import signal
import sys
from types import FrameType


def main() -> int:
    """Show it; gives the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end by itself, with 0 only if all of it held")
    once: bool = parser.parse_args().once
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Here, so that Ctrl-C in the first half second finds somebody who knows what it means.
        from tests.demo.show import show  # noqa: PLC0415

        return show(once=once)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
