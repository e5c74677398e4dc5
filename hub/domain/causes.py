"""What two failures have in common: their cause, and a short name for it by which operators find all that share it."""

import hashlib
import re
from dataclasses import dataclass

# A message is read so far, and kept so far. What is beyond tells no causes apart that differ nowhere before it.
_READ, _KEPT = 4_000, 200

# Numbers and quoted words that do tell causes apart, kept as they are: replies of HTTP and SMTP (RFC 3463), errnos, signals,
# exit codes, versions of an API, and what code calls things: the missing key of a KeyError, a column, a field.
_TELLING = (
    r"(?i:\b(?:answered|status(?: code)?:?|HTTP(?:/\d(?:\.\d)?)?)[ =][1-5]\d\d\b)(?!\d|[.:,-]\d)"
    r"|(?:\A|(?<=replied ))[245]\d\d\b(?:[ :-]{1,2}[245]\.\d{1,3}\.\d{1,3}\b)?(?!\.\d)"
    r"|/v\d{1,2}(?=/)"
    r"|'[1-5]\d\d [A-Z][A-Za-z -]{1,40}'"
    r"|\[Errno -?\d{1,5}\]|\b(?:signal|exit code|ended with status) -?\d{1,3}\b"
    r"|\A'[A-Za-z_]{1,60}'\Z"
    r"|(?i:\b(?:argument|attribute|class|column|constraint|extension|field|function|index|key|keyword|module|name|operator"
    r"|parameter|param|property|relation|role|schema|table|type|view)s?:? ['\"][a-z_][a-z_.\[\]]{0,60}['\"])"
    r"|'[A-Za-z_]{1,60}'(?= object\b)"
)
# Whatever differs between two failures of one cause: redacted and quoted values (an apostrophe is no quote), addresses, the
# query of a URL, ids such as `cus_QhT3x` (a plain word such as `no_such_card` is none) or those of pods, dates, hashes,
# numbers, times.
_VARIABLE = (
    r"\[redacted\]"
    r"|(?<!\w)'[^']*'(?!\w)|\"[^\"]*\"|`[^`]*`"
    r"|(?<=\w)\?[\w.~%-]+=[^\s\"'<>]*"
    r"|[\w.+-]{1,64}@[\w.-]{1,255}"
    r"|\b[a-z]{2,12}_(?=\w*[A-Z0-9])\w{6,}\b"
    r"|\b(?=[A-Z]*[0-9])(?=[0-9]*[A-Z])[0-9A-Z]{16,}\b"
    r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|-[a-z0-9]{8,10}-[a-z0-9]{5}\b"
    r"|\b0x[0-9a-fA-F]{1,16}\b"
    r"|(?i:\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},? )?(?i:\d{1,2}[ -](?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6} \d{1,2}),?[ -]\d{2,4}"
    r"|\b(?=\d*[A-Za-z]+\d)[0-9A-Za-z]{8,}\b"
    r"|\b(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{1,4}\b"
    r"|\d+(?:[.:,-]\d+)*(?:e[-+]?\d+\b)?"
)
_WORDS = re.compile(f"(?P<telling>{_TELLING})|{_VARIABLE}")
# How many ids there are in a row, and what stands between their parts, tells nothing either.
_RUN = re.compile(r"[-+]?…(?:[-+.:,/_=&TZ ]{0,2}…)*(?:Z\b)?")


def normalise(message: str) -> str:
    """An error message with ids, numbers, times and quoted values taken out, 200 characters at most."""
    taken = _WORDS.sub(lambda found: found["telling"] or "…", message[:_READ])
    return _RUN.sub("…", taken)[:_KEPT]


def storable(text: str, most: int) -> str:
    """The same, no longer than so, and without what PostgreSQL's text cannot hold."""
    return text[:most].replace("\0", "\ufffd").encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a job something failed.

    Attributes:
        step: which step, by its name in the ledger; empty between steps.
        provider: whose call it was; empty for none.
        operation: which call, such as `stripe.create_refund`.
    """

    step: str = ""
    provider: str = ""
    operation: str = ""

    def __post_init__(self) -> None:
        # A job may name its steps as it likes.
        object.__setattr__(self, "step", storable(self.step, _KEPT))


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class Cause:
    """All that failures of one cause share.

    Attributes:
        job: the job's name.
        place: where in it.
        kind: the error's class.
        code: for machines, such as `card_declined`.
        message: as `normalise` leaves it.
    """

    job: str
    place: Place
    kind: str
    code: str
    message: str

    @classmethod
    def of(cls, job: str, kind: str, code: str, message: str, place: Place = NOWHERE) -> "Cause":
        """The cause of a failure with this message, as it was raised."""
        return cls(
            job, place, storable(kind, _KEPT), storable(code, _KEPT), storable(normalise(message), _KEPT)
        )

    @property
    def signature(self) -> str:
        """A short, stable name, equal for all failures that share the cause."""
        place = self.place
        parts = (self.job, place.step, place.provider, place.operation, self.kind, self.code, self.message)
        # Each with its length, so that no two causes are written alike.
        written = "".join(f"{len(part)}:{part}" for part in parts)
        return hashlib.sha256(written.encode("utf-8", "replace")).hexdigest()[:16]


# A message that `normalise` does not tame would make a group for every failure: beyond so many groups of one job, those
# whose cause was not seen before share one. About so many: two batches at once do not see each other's.
MOST_OF_A_JOB = 200


def rest_of(job: str) -> Cause:
    """What stands for all further causes of a job that has too many."""
    return Cause(job, NOWHERE, "", "too_many_causes", "many different messages: see the jobs themselves")
