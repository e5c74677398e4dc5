"""`make certify` and `make sabotage`."""

import argparse
import fcntl
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from hub.infra.embedded.process import locked
from tests import caretaker
from tests.certify.certificate import Certificate, as_json, as_markdown, certify
from tests.certify.progress import Progress
from tests.certify.run import run
from tests.certify.sabotage import Sabotage
from tests.certify.schedule import draw
from tests.certify.trials import PATIENCE, TRIALS


def main() -> int:
    """Run; gives the exit status: 0 only if every invariant held, or if every sabotage was found out."""
    options = _options()
    signal.signal(signal.SIGTERM, _interrupt)
    _forget_settings()
    seed: int = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    try:
        if options.sabotages:
            found = [_found_out(sabotage, seed) for sabotage in Sabotage]
            return 0 if all(found) else 1
        certificate = certificate_of(seed, options.scale, options.sabotage)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    if options.report:
        written = as_json(certificate) if options.report.suffix == ".json" else as_markdown(certificate)
        options.report.write_text(written + "\n")
    _print(as_json(certificate) if options.json else as_markdown(certificate))
    return 1 if certificate.broken else 0


def certificate_of(seed: int, scale: float, sabotage: Sabotage | None) -> Certificate:
    """Make a run on servers of its own, of which nothing is left behind."""
    schedule = TRIALS[sabotage].schedule(seed) if sabotage else draw(seed, scale)
    with _place() as directory, Progress() as progress:
        progress.say(
            f"certify: seed {seed}, {len(schedule.inputs):,} inputs in {schedule.length:.0f} s, {len(schedule.faults)} faults"
            + (f", without {sabotage}" if sabotage else "")
        )
        patience = {"patience": PATIENCE} if sabotage else {}
        ended = run(schedule, directory, progress.tell, sabotage=sabotage, **patience)
    return certify(schedule, ended, scale=scale, sabotage=sabotage)


def _found_out(sabotage: Sabotage, seed: int) -> bool:
    certificate, trial = certificate_of(seed, 1, sabotage), TRIALS[sabotage]
    [verdict] = [verdict for verdict in certificate.verdicts if verdict.invariant is trial.breaks]
    shown = [offence for offence in verdict.offences if trial.shows in offence]
    if shown:
        _print(f"sabotage: {sabotage}: found out by “{trial.breaks}”: {len(shown)}, such as {shown[0]}")
    else:
        _print(f"sabotage: {sabotage}: NOT FOUND OUT by “{trial.breaks}”: {certificate.verdict}")
    return bool(shown)


@contextmanager
def _place() -> Iterator[Path]:
    """A directory that goes away with this process, however it ends, and with it the servers whose data is there."""
    directory = Path(tempfile.mkdtemp(prefix="hub-certify-"))
    with ExitStack() as leaving, locked(caretaker.lock_of(directory), fcntl.LOCK_SH):
        caring = caretaker.engage(directory)
        leaving.callback(caring.wait)
        yield directory


def _forget_settings() -> None:
    """What is set for another hub is not for this one."""
    for name in [name for name in os.environ if name.startswith("HUB_")]:
        del os.environ[name]


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.certify", description=__doc__)
    parser.add_argument(
        "--seed", type=int, help="draws the faults; any number, and a new one each time if not given"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="1 is a full run of 10,000 inputs, 0.08 takes a minute"
    )
    parser.add_argument(
        "--sabotage", type=Sabotage, choices=list(Sabotage), help="leave a safeguard of the hub out"
    )
    parser.add_argument(
        "--sabotages", action="store_true", help="leave out each in turn, and expect to see it"
    )
    parser.add_argument("--json", action="store_true", help="print the certificate for machines")
    parser.add_argument("--report", type=Path, help="write it to a file, too: *.json, or else Markdown")
    return parser.parse_args()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
