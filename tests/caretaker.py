"""A process that waits for the end of a test run, however it ends, and leaves nothing of it behind."""

import shutil
import subprocess
import sys
from pathlib import Path

from hub.infra.embedded import stop
from hub.infra.embedded.process import locked


def lock_of(run_dir: Path) -> Path:
    """Every process of the run holds this lock, shared."""
    return run_dir / "run.lock"


def engage(run_dir: Path) -> subprocess.Popen[bytes]:
    """Start one for this run, in a session of its own, out of the reach of Ctrl-C."""
    return subprocess.Popen(  # noqa: S603 - this very file
        [sys.executable, "-m", "tests.caretaker", str(run_dir)],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def take_care(run_dir: Path) -> None:
    """Wait until nobody is left, stop the servers and remove the files."""
    with locked(lock_of(run_dir)):
        for used in run_dir.rglob("embedded.lock"):
            stop(used.parent)
        shutil.rmtree(run_dir)


if __name__ == "__main__":
    take_care(Path(sys.argv[1]))
