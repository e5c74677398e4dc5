"""Recovery and latency, from books whose answers can be worked out by hand."""

from dataclasses import replace

import pytest

from tests.certify.books import Books
from tests.certify.faults import Happened
from tests.certify.ledgers import attempt, client, good, job, with_job
from tests.certify.schedule import Fault, Kind
from tests.certify.timings import QUIET, intake_again, spread, timings, work_again

KILL = Happened(Fault(Kind.WORKER_KILLED, 0.0), began=10.0, ended=11.0)
WEB_KILL = Happened(Fault(Kind.WEB_KILLED, 0.0), began=10.0, ended=11.0, web=1)
STALL = Happened(Fault(Kind.PROVIDER_STALLS, 0.0), began=10.0, ended=11.0)


def test_a_spread_of_nothing_is_none() -> None:
    """A kind of fault that met no input has no figures."""
    assert spread([]) is None


def test_a_spread_has_the_usual_percentiles() -> None:
    """Of a hundred durations, in any order."""
    found = spread(range(100, 0, -1))
    assert found is not None
    assert (found.count, found.p50, found.p99, found.longest) == (100, 51, 100, 100)


def test_intake_is_back_when_a_request_that_began_after_the_fault_is_acknowledged() -> None:
    """Not one that was under way, nor one that failed."""
    tries = ((0, 9.9, 10.2, True), (0, 10.1, 10.3, False), (0, 12.0, 12.5, True), (1, 13.0, 13.5, True))
    books = replace(good(), clients=[replace(client("one"), tries=tries)])
    assert intake_again(KILL, books) == 2.5
    assert intake_again(WEB_KILL, books) == 3.5
    assert intake_again(replace(KILL, began=14.0), books) is None


def interrupted() -> Books:
    """A job that ran when its worker was killed, one that waited, one on another worker, and one that backs off."""
    books = with_job(good(), "two", attempts=(attempt(1, started=9.0, finished=30.0),), settled=30.0)
    lost = (attempt(1, "interrupted", 9.0, 18.0), attempt(2, started=18.5, finished=19.0))
    books = with_job(books, "one", attempts=lost, settled=19.0)
    backing_off = (attempt(1, "failed", 8.0, 9.0), attempt(2, started=40.0, finished=41.0))
    books = with_job(books, "perhaps", attempts=backing_off, settled=41.0)
    return with_job(
        books, "sent", created=9.5, attempts=(attempt(1, started=12.0, finished=12.5),), settled=12.5
    )


def test_work_is_back_when_the_last_job_that_was_held_up_runs_again() -> None:
    """Whoever ran elsewhere, or waited for its own time, was not held up."""
    assert work_again(KILL, interrupted()) == 8.5
    assert work_again(replace(KILL, began=50.0), interrupted()) is None


@pytest.mark.parametrize("kind", [Kind.REDIS_FLUSHED, Kind.REDIS_KILLED])
def test_redis_holds_up_what_waits_and_not_what_another_fault_interrupted(kind: Kind) -> None:
    """The same job lost its worker, and waited for that one's lease: with Redis that has nothing to do."""
    assert work_again(Happened(Fault(kind, 0.0), began=10.0, ended=11.0), interrupted()) == 2.0


def test_after_a_providers_fault_work_is_back_when_what_failed_has_ended() -> None:
    """However often it was tried."""
    hit = (attempt(1, "failed", 9.0, 10.5), attempt(2, started=14.0, finished=15.0))
    assert work_again(STALL, with_job(good(), "one", attempts=hit, settled=15.0)) == 5.0
    assert work_again(STALL, good()) is None


def test_an_input_counts_for_the_faults_that_it_met() -> None:
    """From its first try to the end of its job; the others met nothing."""
    met, missed = client("one"), replace(client("two"), first_sent=90.0, acknowledged=90.5)
    books = Books(
        [met, missed],
        [replace(job("one"), settled=10.6), replace(job("two"), created=90.2, settled=91.0)],
        good().bank,
        good().courier,
        [KILL],
    )
    found = {timing.kind: timing for timing in timings(books)}
    killed, quiet = found[Kind.WORKER_KILLED], found[QUIET]
    assert killed.faults == 1
    assert killed.settled is not None
    assert killed.settled.longest == pytest.approx(10.0)
    assert quiet.acknowledged is not None
    assert (quiet.acknowledged.count, quiet.acknowledged.p50) == (1, 0.5)
