"""The certificate: what was sent, acknowledged, done, lost and done twice; how long it took; what held. For people and machines."""

import json
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.certify.books import Books
from tests.certify.invariants import Invariant, Verdict, effects_of, judge
from tests.certify.run import Ended
from tests.certify.sabotage import Sabotage
from tests.certify.schedule import Schedule
from tests.certify.timings import Spread, Timing, timings

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Account:
    """The work of a run in numbers. Inputs are counted, unless it says otherwise.

    Attributes:
        done: jobs that succeeded.
        lost: acknowledged, and without a job that ended.
        effects: that the providers count; `twice` of them beyond the first for an input.
        uncertain: jobs that were failed as uncertain, for a person to look at.
        uncertain_done: those of them whose effect exists.
        attempts: of all jobs; `interrupted` of them by the death of a worker or by a deploy.
    """

    sent: int
    tries: int
    acknowledged: int
    done: int
    lost: int
    effects: int
    twice: int
    uncertain: int
    uncertain_done: int
    attempts: int
    interrupted: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """All that is said about a run."""

    seed: int
    scale: str
    sabotage: str | None
    load: float
    drain: float
    machine: str
    clocks: Sequence[float]
    account: Account
    faults: Mapping[str, int]
    timings: Sequence[Timing]
    verdicts: Sequence[Verdict]

    @property
    def broken(self) -> tuple[Invariant, ...]:
        """The invariants that did not hold."""
        return tuple(verdict.invariant for verdict in self.verdicts if not verdict.held)

    @property
    def verdict(self) -> str:
        """The last line."""
        if not self.broken:
            return f"CERTIFIED: all {len(self.verdicts)} invariants held (seed {self.seed})"
        return (
            f"NOT CERTIFIED: {len(self.broken)} of {len(self.verdicts)} invariants broken (seed {self.seed}): "
            + "; ".join(self.broken)
        )


def certify(
    schedule: Schedule, ended: Ended, *, scale: float, sabotage: Sabotage | None = None
) -> Certificate:
    """Judge a run."""
    return Certificate(
        schedule.seed,
        f"{scale:g}",
        sabotage.value if sabotage else None,
        ended.load,
        ended.drain,
        f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}",
        schedule.clocks,
        account(ended.books),
        dict(Counter(one.fault.kind.value for one in ended.books.happened)),
        timings(ended.books),
        judge(ended.books),
    )


def account(books: Books) -> Account:
    """Count."""
    jobs = books.jobs_by_reference()
    uncertain = [job for job in books.jobs if job.reason == "uncertain"]
    kinds = {client.reference: client.kind for client in books.clients}
    return Account(
        sent=len(books.clients),
        tries=sum(len(client.tries) for client in books.clients),
        acknowledged=sum(client.acknowledged is not None for client in books.clients),
        done=sum(job.state == "succeeded" for job in books.jobs),
        lost=sum(
            client.acknowledged is not None
            and not any(job.is_settled for job in jobs.get(client.reference, ()))
            for client in books.clients
        ),
        effects=books.bank.total() + books.courier.total(),
        twice=sum(count - 1 for effects in (books.bank, books.courier) for count in effects.values()),
        uncertain=len(uncertain),
        uncertain_done=sum(
            bool(
                books.courier[job.reference]
                if effects_of(kinds[job.reference])[1]
                else books.bank[job.reference]
            )
            for job in uncertain
            if job.reference in kinds
        ),
        attempts=sum(len(job.attempts) for job in books.jobs),
        interrupted=sum(attempt.outcome == "interrupted" for job in books.jobs for attempt in job.attempts),
    )


def as_json(certificate: Certificate) -> str:
    """For machines."""
    document: dict[str, Any] = asdict(certificate)
    document["verdicts"] = [
        {
            "invariant": verdict.invariant.name.lower(),
            "says": verdict.invariant.value,
            "held": verdict.held,
            "offences": verdict.offences,
        }
        for verdict in certificate.verdicts
    ]
    return json.dumps(
        document | {"certified": not certificate.broken, "verdict": certificate.verdict}, indent=2
    )


def as_markdown(certificate: Certificate) -> str:
    """For people; it reads well in a terminal, too."""
    account = certificate.account
    title = f"# Certificate, seed {certificate.seed}"
    if certificate.sabotage:
        title += f", sabotaged: without {certificate.sabotage}"
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(certificate.faults.items()))
    return "\n".join(
        [
            title,
            "",
            f"{certificate.machine}; {certificate.load:.0f} s of load, then {certificate.drain:.0f} s until the last job had ended.",
            f"Faults: {faults}.",
            f"Workers' clocks off by {', '.join(f'{off:+g}' for off in certificate.clocks)} s, all the time.",
            "",
            *_table(["inputs", ""], _rows(account)),
            "",
            *_table(_TIMING_HEAD, [_timing_row(timing) for timing in certificate.timings]),
            "",
            "Seconds. Intake and work again: from the fault, median and longest. Acknowledged: from the first try to the 2xx.",
            "Settled: from the 2xx to the end of the job.",
            "",
            *(line for verdict in certificate.verdicts for line in _verdict_lines(verdict)),
            "",
            certificate.verdict,
        ]
    )


def _rows(account: Account) -> list[list[str]]:
    return [
        ["sent", f"{account.sent:,} (in {account.tries:,} requests)"],
        ["acknowledged", f"{account.acknowledged:,}"],
        [
            "done",
            f"{account.done:,} (in {account.attempts:,} attempts, {account.interrupted:,} of them interrupted)",
        ],
        ["lost", f"{account.lost:,}"],
        ["effects at the providers", f"{account.effects:,}"],
        ["done twice", f"{account.twice:,}"],
        [
            "uncertain, reported",
            f"{account.uncertain:,} (of which {account.uncertain_done:,} were done, by the provider's own books)",
        ],
    ]


_TIMING_HEAD = [
    "through",
    "faults",
    "intake again",
    "work again",
    "inputs",
    "acknowledged p50",
    "p99",
    "settled p50",
    "p99",
]


def _timing_row(timing: Timing) -> list[str]:
    inputs = timing.acknowledged.count if timing.acknowledged else 0
    return [
        timing.kind,
        str(timing.faults or ""),
        _recovery(timing.intake),
        _recovery(timing.work),
        f"{inputs:,}",
        *_parts(timing.acknowledged),
        *_parts(timing.settled),
    ]


def _recovery(found: Spread | None) -> str:
    return f"{found.p50:.2f}, {found.longest:.2f}" if found else "-"


def _parts(found: Spread | None) -> list[str]:
    return [f"{found.p50:.3f}", f"{found.p99:.2f}"] if found else ["-", "-"]


def _verdict_lines(verdict: Verdict) -> list[str]:
    if verdict.held:
        return [f"- ✓ {verdict.invariant}"]
    more = len(verdict.offences) - _EXAMPLES
    return [
        f"- ✗ {verdict.invariant.upper()}: {len(verdict.offences)}",
        *(f"    - {offence}" for offence in verdict.offences[:_EXAMPLES]),
        *([f"    - and {more} more"] if more > 0 else []),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    ruler = ["-" * width if place == 0 else "-" * (width - 1) + ":" for place, width in enumerate(widths)]
    return [line(head), f"| {' | '.join(ruler)} |", *(line(row) for row in rows)]
