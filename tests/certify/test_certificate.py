"""What is said about a run, for people and for machines."""

import json
from dataclasses import replace

from tests.certify.books import Books
from tests.certify.certificate import Certificate, account, as_json, as_markdown, certify
from tests.certify.ledgers import good, more, without
from tests.certify.run import Ended
from tests.certify.sabotage import Sabotage
from tests.certify.schedule import draw


def of(books: Books, sabotage: Sabotage | None = None) -> Certificate:
    """The certificate of a made-up run."""
    return certify(draw(5, 0.01), Ended(books, 30.0, 2.0), scale=0.01, sabotage=sabotage)


def test_the_work_is_counted() -> None:
    """Three jobs done, two letters uncertain, of which one was sent."""
    counted = account(good())
    assert (counted.sent, counted.acknowledged, counted.done) == (5, 5, 3)
    assert (counted.lost, counted.effects, counted.twice) == (0, 4, 0)
    assert (counted.uncertain, counted.uncertain_done) == (2, 1)


def test_what_was_lost_or_done_twice_is_counted() -> None:
    """The two numbers that matter."""
    books = good()
    assert account(replace(books, jobs=without(books.jobs, "one"))).lost == 1
    assert account(replace(books, bank=more(books.bank, "one", "one"))).twice == 2


def test_a_good_run_is_certified() -> None:
    """The verdict is the last line, and names the seed."""
    certificate = of(good())
    assert not certificate.broken
    assert as_markdown(certificate).splitlines()[-1] == certificate.verdict
    assert certificate.verdict.startswith("CERTIFIED")
    assert "seed 5" in certificate.verdict


def test_a_bad_run_is_not_and_shows_what_offends() -> None:
    """With the name of the invariant in the verdict."""
    books = good()
    certificate = of(replace(books, bank=more(books.bank, "one")), Sabotage.KEY)
    told = as_markdown(certificate)
    assert told.splitlines()[-1].startswith("NOT CERTIFIED: 1 of ")
    assert "one was paid 2 times" in told
    assert "without key" in told.splitlines()[0]


def test_machines_are_told_the_same() -> None:
    """As JSON, with every invariant."""
    document = json.loads(as_json(of(good())))
    assert document["certified"] is True
    assert document["account"]["lost"] == 0
    assert all(verdict["held"] for verdict in document["verdicts"])
