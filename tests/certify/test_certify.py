"""A short run, with at least one fault of each kind, and what is said about it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.certify.certificate import as_json, as_markdown, certify
from tests.certify.run import run
from tests.certify.sabotage import Sabotage
from tests.certify.schedule import Kind, draw
from tests.certify.trials import TRIALS
from tests.simulators.processes import ROOT

SHORT = 0.06


@pytest.mark.timeout(600)
def test_a_short_run_is_certified(var_dir: Path) -> None:
    """Everything that is acknowledged ends once, whatever happens meanwhile."""
    schedule = draw(7, SHORT)
    lines: list[str] = []
    ended = run(schedule, var_dir, lines.append, patience=240)
    certificate = certify(schedule, ended, scale=SHORT)
    told = as_markdown(certificate)
    assert certificate.broken == (), told
    assert set(certificate.faults) == {kind.value for kind in Kind}
    assert certificate.account.acknowledged == certificate.account.sent == len(schedule.inputs)
    assert (certificate.account.lost, certificate.account.twice) == (0, 0)
    assert told.splitlines()[-1].startswith("CERTIFIED")
    assert json.loads(as_json(certificate))["certified"] is True
    assert any("faults over" in line for line in lines)


def test_every_sabotage_finds_what_it_breaks() -> None:
    """They replace the hub's own statements, which change: in a process of their own, as they are not undone."""
    commit = "from tests.certify.sabotage import Sabotage, commit; [commit(each) for each in Sabotage]"
    assert subprocess.run([sys.executable, "-c", commit], cwd=ROOT, check=False).returncode == 0  # noqa: S603 - ours


def test_every_sabotage_has_its_trial() -> None:
    """And the schedule of a trial, too, is the seed's."""
    assert set(TRIALS) == set(Sabotage)
    for trial in TRIALS.values():
        assert trial.schedule(1) == trial.schedule(1)
        assert trial.schedule(1).faults
