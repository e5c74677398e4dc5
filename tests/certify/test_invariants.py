"""Every invariant complains when it must, and only then."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.certify.books import Books, Step, errors_in
from tests.certify.faults import Happened
from tests.certify.invariants import CHECKS, Invariant, judge
from tests.certify.ledgers import attempt, good, job, more, with_job, without
from tests.certify.schedule import Fault, Kind


def struck(kind: Kind, began: float, ended: float, pid: int | None = 7) -> Happened:
    """A fault that hit that process, or a server."""
    return Happened(Fault(kind, 0.0), began, ended, pid=pid)


Spoil = Callable[[Books], Books]
BANK_STEP, COURIER_STEP = "stripe", "courier"

BROKEN: list[tuple[Invariant, str, Spoil]] = [
    (
        Invariant.ACKNOWLEDGED,
        "never acknowledged",
        lambda books: replace(
            books, clients=[replace(books.clients[0], acknowledged=None, answers=()), *books.clients[1:]]
        ),
    ),
    (
        Invariant.ACKNOWLEDGED,
        "refused",
        lambda books: replace(books, clients=[replace(books.clients[0], refused="422"), *books.clients[1:]]),
    ),
    (Invariant.NONE_LOST, "no job", lambda books: replace(books, jobs=without(books.jobs, "one"))),
    (
        Invariant.NONE_DOUBLED,
        "2 jobs",
        lambda books: replace(books, jobs=[*books.jobs, replace(job("one"), id="another")]),
    ),
    (
        Invariant.NONE_DOUBLED,
        "acknowledged as job of one and as another",
        lambda books: replace(
            books, clients=[replace(books.clients[0], answers=("job of one", "another")), *books.clients[1:]]
        ),
    ),
    (
        Invariant.NONE_DOUBLED,
        "which is not its job",
        lambda books: replace(
            books, clients=[replace(books.clients[0], answers=("another",)), *books.clients[1:]]
        ),
    ),
    (Invariant.NONE_DOUBLED, "never sent", lambda books: replace(books, clients=books.clients[1:])),
    *[
        (
            Invariant.FINISHED,
            f"still {state}",
            lambda books, state=state: with_job(books, "one", state=state, settled=None),
        )
        for state in ("queued", "running", "retrying", "held", "waiting")
    ],
    (Invariant.DONE, "no payment", lambda books: replace(books, bank=Counter(["two"]))),
    (Invariant.DONE, "no letter", lambda books: replace(books, courier=Counter(["perhaps"]))),
    (Invariant.DONE_ONCE, "one was paid 2 times", lambda books: replace(books, bank=more(books.bank, "one"))),
    (
        Invariant.NOT_REPEATED,
        "perhaps was sent 2 times",
        lambda books: replace(books, courier=more(books.courier, "perhaps")),
    ),
    (Invariant.LEDGER, "has no job", lambda books: replace(books, bank=more(books.bank, "nobody's"))),
    (Invariant.LEDGER, "its ledger says nothing", lambda books: with_job(books, "one", steps=())),
    (
        Invariant.LEDGER,
        "its ledger says not_sent",
        lambda books: with_job(books, "perhaps", steps=(Step(1, "courier", "not_sent"),)),
    ),
    (
        Invariant.LEDGER,
        "its ledger says confirmed",
        lambda books: replace(books, courier=Counter(["perhaps"])),
    ),
    (
        Invariant.REPORTED,
        "may have been done at courier",
        lambda books: with_job(books, "perhaps", reason="exhausted"),
    ),
    (
        Invariant.REPORTED,
        "knows of no doubt",
        lambda books: with_job(books, "perhaps", steps=(Step(1, "courier", "rejected"),)),
    ),
    (Invariant.HISTORY, "its history has []", lambda books: with_job(books, "one", attempts=())),
    (
        Invariant.HISTORY,
        "its history has [1, 3]",
        lambda books: with_job(books, "one", attempt=3, attempts=(attempt(1, "interrupted"), attempt(3))),
    ),
    (
        Invariant.HISTORY,
        "its last attempt was",
        lambda books: with_job(books, "one", attempts=(attempt(outcome="failed"),)),
    ),
    (
        Invariant.HISTORY,
        "after it had succeeded",
        lambda books: with_job(books, "one", attempt=2, attempts=(attempt(1), attempt(2))),
    ),
    (
        Invariant.BUDGET,
        "counts 1 failures, and 0 of its attempts failed",
        lambda books: with_job(
            books, "one", failures=1, attempt=2, attempts=(attempt(1, "interrupted"), attempt(2))
        ),
    ),
    (
        Invariant.BUDGET,
        "failed with worker_lost, which no provider did",
        lambda books: with_job(
            books,
            "one",
            failures=1,
            attempt=2,
            attempts=(attempt(1, "failed", code="worker_lost"), attempt(2)),
        ),
    ),
    *[
        (
            Invariant.BUDGET,
            "attempt 1 failed when its worker was gone",
            lambda books, kind=kind: replace(
                with_job(
                    books,
                    "one",
                    failures=1,
                    attempt=2,
                    attempts=(attempt(1, "failed", 1.0, 10.5, "timeout"), attempt(2)),
                ),
                happened=[struck(kind, 1.5, 12.0)],
                pids={"worker": 7},
            ),
        )
        for kind in (Kind.WORKER_KILLED, Kind.WORKER_FROZEN)
    ],
    *[
        (
            Invariant.NO_ERRORS,
            "the worker with pid 7 lost its lease",
            lambda books, happened=happened: replace(books, lapsed=[7], happened=happened),
        )
        for happened in (
            [],
            [struck(Kind.WORKER_FROZEN, 1.0, 12.0, pid=8)],
            [struck(Kind.POSTGRES_KILLED, 1.0, 3.0, pid=None)],
        )
    ],
    (
        Invariant.NO_CRASH_LOOP,
        "crash loop",
        lambda books: with_job(books, "one", state="failed", reason="crash_loop"),
    ),
    (
        Invariant.EXPLAINED,
        "failed (exhausted)",
        lambda books: with_job(books, "one", state="failed", reason="exhausted"),
    ),
    (
        Invariant.PROCESSES,
        "ended by itself",
        lambda books: replace(books, complaints=["worker 1 ended by itself"]),
    ),
    (
        Invariant.NO_ERRORS,
        "2 times: the relay failed: KeyError",
        lambda books: replace(
            books,
            errors=errors_in(
                ['{"level": "error", "event": "the relay failed", "exception": "…\\nKeyError"}\n'] * 2
            ),
        ),
    ),
    (
        Invariant.NO_ERRORS,
        "1 times: Traceback",
        lambda books: replace(books, errors=errors_in(["Traceback (most recent call last):\n"])),
    ),
]


def test_good_books_offend_nothing() -> None:
    """An effect that may exist and is reported as uncertain is no offence, whether it exists or not."""
    assert [verdict for verdict in judge(good()) if not verdict.held] == []


@pytest.mark.parametrize(("invariant", "offence", "spoil"), BROKEN)
def test_an_invariant_complains(invariant: Invariant, offence: str, spoil: Spoil) -> None:
    """And says what offends it."""
    assert any(offence in told for told in CHECKS[invariant](spoil(good())))


def test_every_invariant_is_tried() -> None:
    """A new one needs a case that it must complain of."""
    assert {invariant for invariant, _, _ in BROKEN} == set(Invariant)


@pytest.mark.parametrize(
    "fault",
    [struck(Kind.WORKER_FROZEN, 1.0, 12.0), struck(Kind.POSTGRES_KILLED, 1.0, 7.5, pid=None)],
)
def test_a_lease_may_be_lost_by_who_could_not_renew_it(fault: Happened) -> None:
    """Frozen, or cut off from PostgreSQL for a lease, counted from the renewal before."""
    books = replace(good(), lapsed=[7], happened=[fault])
    assert list(CHECKS[Invariant.NO_ERRORS](books)) == []


def test_what_a_provider_did_may_use_up_budget() -> None:
    """And a worker that was killed had its last words; one that was frozen goes on when it wakes."""
    attempts = (attempt(1, "failed", 1.0, 2.0, "status_503"), attempt(2, started=3.0, finished=12.5))
    books = with_job(good(), "one", failures=1, attempt=2, attempts=attempts)
    happened = [struck(Kind.WORKER_KILLED, 1.9, 2.5), struck(Kind.WORKER_FROZEN, 4.0, 12.4)]
    for one in (happened[:1], happened[1:]):
        kept = replace(books, happened=one, pids={"worker": 7})
        assert list(CHECKS[Invariant.BUDGET](kept)) == []


def test_what_a_run_provokes_is_no_error() -> None:
    """A frozen worker that wakes, a job that fails for good, and warnings."""
    lines = [
        '{"level": "error", "event": "lease lost"}',
        '{"level": "error", "event": "job failed", "error": "never answered"}',
        '{"level": "warning", "event": "store away"}',
    ]
    books = replace(good(), errors=errors_in(["\n".join(lines)]))
    assert list(CHECKS[Invariant.NO_ERRORS](books)) == []
