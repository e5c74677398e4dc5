"""Books of made-up runs, for the tests of those who read them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.certify.books import Attempt, Books, Client, Job, Step
from tests.certify.schedule import Input

NAMES = {Input.CHARGE: "payments.charge", Input.LETTER: "work.send_letter"}


def attempt(
    number: int = 1,
    outcome: str = "succeeded",
    started: float = 1.0,
    finished: float = 2.0,
    code: str | None = None,
) -> Attempt:
    """A row of the history."""
    return Attempt(number, outcome, started, finished, "worker", code)


def client(reference: str, kind: Input = Input.CHARGE) -> Client:
    """A client whose input was acknowledged at once."""
    return Client(reference, kind, 0.5, 0.6, (f"job of {reference}",), tries=((0, 0.5, 0.6, True),))


def job(reference: str, kind: Input = Input.CHARGE) -> Job:
    """The job of an input, done at the first attempt."""
    provider = "stripe" if kind is Input.CHARGE else "courier"
    return Job(
        f"job of {reference}",
        None,
        reference,
        NAMES[kind],
        "succeeded",
        None,
        1,
        0,
        0.55,
        2.0,
        (attempt(),),
        (Step(1, provider, "confirmed"),),
    )


def uncertain(reference: str) -> Job:
    """The job of a letter that may have been sent."""
    return replace(
        job(reference, Input.LETTER),
        state="failed",
        reason="uncertain",
        failures=1,
        attempts=(attempt(outcome="uncertain"),),
        steps=(Step(1, "courier", "unknown"),),
    )


def good() -> Books:
    """Two charges and three letters, one of which is uncertain and was sent, one uncertain and was not."""
    letters = [client(name, Input.LETTER) for name in ("sent", "perhaps", "perhaps not")]
    return Books(
        [client("one"), client("two"), *letters],
        [job("one"), job("two"), job("sent", Input.LETTER), uncertain("perhaps"), uncertain("perhaps not")],
        Counter(["one", "two"]),
        Counter(["sent", "perhaps"]),
    )


def with_job(books: Books, reference: str, **changes: object) -> Books:
    """The same, one of its jobs changed."""
    jobs = [replace(one, **changes) if one.reference == reference else one for one in books.jobs]  # type: ignore[arg-type]  # as given
    return replace(books, jobs=jobs)


def without(jobs: Sequence[Job], reference: str) -> list[Job]:
    """All the others."""
    return [one for one in jobs if one.reference != reference]


def more(effects: Mapping[str, int], *references: str) -> Counter[str]:
    """The same, and these once more."""
    return Counter(effects) + Counter(references)
