"""What two failures have in common: a short name for their cause, by which operators find all that share it."""

import hashlib
import re

# Whatever differs between two failures of one cause: quoted values (an apostrophe is no quote), addresses, ids such as
# `cus_QhT3x` (a plain word such as `no_such_card` is none), hashes, numbers, times.
_VARIABLE = re.compile(
    r"(?<!\w)'[^']*'(?!\w)|\"[^\"]*\""
    r"|[\w.+-]{1,64}@[\w.-]{1,255}"
    r"|\b[a-z]{2,6}_(?=\w*[A-Z0-9])\w{6,}\b"
    r"|\b(?=[A-Z]*[0-9])(?=[0-9]*[A-Z])[0-9A-Z]{16,}\b"
    r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"
    r"|\d+(?:[.:,-]\d+)*"
)


def normalise(message: str) -> str:
    """An error message with ids, numbers, times and quoted values taken out, 200 characters at most."""
    return _VARIABLE.sub("…", message)[:200]


def signature_of(job: str, step: str, kind: str, code: str, message: str) -> str:
    """A short, stable name for the cause of a failure, equal for all failures that share it."""
    cause = "\x1f".join((job, step, kind, code, normalise(message)))
    return hashlib.sha256(cause.encode("utf-8", "replace")).hexdigest()[:16]
