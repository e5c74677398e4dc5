"""Breaking the hub on purpose, one safeguard at a time, in the test's own processes: the certificate must fail.

There is no switch for this in the hub: its statements and functions are replaced here, before the process begins.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import ModuleType
from typing import Any
from uuid import uuid4

from sqlalchemy import TextClause, text

from hub import worker
from hub.infra.store import intake, relay, settlements, waits
from hub.infra.store import steps as step_lines
from hub.services import calls


class Sabotage(StrEnum):
    """What the hub does without."""

    FENCE = "fence"  # whoever has ever held a job may settle it and write its steps
    RESCUE = "rescue"  # nobody takes the jobs of a dead worker
    REHAND = "rehand"  # nobody hands over again what Redis lost
    DEDUPE = "dedupe"  # every delivery and every request is a new one
    WAKE = "wake"  # nobody joins events and waits, neither after the commit nor in the sweep
    KEY = "key"  # every send has an idempotency key of its own


def commit(sabotage: Sabotage) -> None:
    """Take one safeguard out of this process."""
    _ACTS[sabotage]()


def _no_fence() -> None:
    made = {
        (more, failing): _changed(
            settlements._statement(more=more, failing=failing),
            "the settlement",
            ("j.attempt = d.attempt AND j.state = 'running' AND j.worker_id = :worker", "true"),
            # The history would refuse a second line for the same attempt.
            (
                "FROM moved m JOIN done d ON d.job = m.id AND d.attempt = m.attempt",
                "FROM moved m JOIN done d ON d.job = m.id ON CONFLICT DO NOTHING",
            ),
        )
        for more in (True, False)
        for failing in (True, False)
    }
    _replace(settlements, "_statement", lambda *, more, failing: made[more, failing])
    _rewrite(
        step_lines,
        "_RECORD",
        (
            "j.id = i.job AND j.attempt = i.attempt\n    WHERE j.state = 'running' AND j.worker_id = :worker",
            "j.id = i.job",
        ),
        ("SELECT j.id, j.attempt, j.generation FROM", "SELECT j.id, i.attempt, j.generation FROM"),
    )
    # The worker that wakes would notice by itself, too.
    _replace(worker.Worker, "_drop_everything", lambda _worker: None)


def _no_rescue() -> None:
    _rewrite(relay, "_ABANDONED", ("j.state = 'running'", "false"))


def _no_rehand() -> None:
    _rewrite(relay, "_HANDED_LONG_AGO", ("WHERE dispatched_at", "WHERE false AND dispatched_at"))


def _no_dedupe() -> None:
    _rewrite(
        intake,
        "_STORE_EVENTS",
        ("SELECT id, source, external_id,", "SELECT id, source, external_id || ' ' || id,"),
    )
    _rewrite(
        intake,
        "_STORE_SUBMISSIONS",
        (
            "SELECT application_id, key, fingerprint, id",
            "SELECT application_id, key || ' ' || id, fingerprint, id",
        ),
    )


def _no_wake() -> None:
    for name in ("_WAKE_BY_EVENTS", "_WAKE_JOBS"):
        _rewrite(
            waits,
            name,
            ("IS DISTINCT FROM j.event_id AND j.state = 'waiting'", "IS DISTINCT FROM j.event_id AND false"),
        )


def _no_key() -> None:
    _replace(calls, "idempotency_key", lambda job, position, _serial: f"hub-{job}-{position}-{uuid4()}")


def _rewrite(module: ModuleType, name: str, *changes: tuple[str, str]) -> None:
    _replace(module, name, _changed(getattr(module, name), f"{module.__name__}.{name}", *changes))


def _changed(statement: TextClause, name: str, *changes: tuple[str, str]) -> TextClause:
    sql = statement.text
    for old, new in changes:
        if old not in sql:
            raise LookupError(f"{name} has changed: it has no {old!r}")
        sql = sql.replace(old, new)
    return text(sql)


def _replace(owner: Any, name: str, value: Any) -> None:
    if not hasattr(owner, name):
        raise LookupError(f"{owner} has no {name} any more")
    setattr(owner, name, value)


_ACTS: Mapping[Sabotage, Callable[[], None]] = {
    Sabotage.FENCE: _no_fence,
    Sabotage.RESCUE: _no_rescue,
    Sabotage.REHAND: _no_rehand,
    Sabotage.DEDUPE: _no_dedupe,
    Sabotage.WAKE: _no_wake,
    Sabotage.KEY: _no_key,
}
