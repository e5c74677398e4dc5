"""Idempotency keys as Stripe honours them: https://docs.stripe.com/api/idempotent_requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.simulators.stripe.account import Json
from tests.simulators.stripe.errors import StripeError

LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body as sent, and the id of the request that they answered."""

    status: int
    body: bytes
    request_id: str


@dataclass(slots=True)
class _Use:
    path: str
    params: Json
    answer: Answer | None = None


class IdempotencyKeys:
    """Which keys were used for what, and what was answered."""

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}

    def __len__(self) -> int:
        return len(self._uses)

    def replay(self, key: str, path: str, params: Json) -> Answer | None:
        """The stored answer, or None when the key is new; 400 for another request, 409 while the first one runs."""
        if (use := self._uses.get(key)) is None:
            return None
        if use.path != path:
            raise _misused(
                key, "for the same endpoint they were first used for", f" ('{path}' vs '{use.path}')"
            )
        if use.params != params:
            raise _misused(key, "with the same parameters they were first used with", "")
        if use.answer is None:
            raise _in_use(key)
        return use.answer

    @contextmanager
    def claim(self, key: str, path: str, params: Json) -> Iterator["_Use"]:
        """Hold a new key while its request executes; an answer that was not kept frees it."""
        if len(key) > LONGEST_KEY:
            raise StripeError(400, f"Idempotency keys may be at most {LONGEST_KEY} characters long.")
        use = self._uses[key] = _Use(path, params)
        try:
            yield use
        finally:
            if use.answer is None and self._uses.get(key) is use:
                del self._uses[key]

    def forget(self) -> None:
        """What happens by itself after 24 hours: every key is new again."""
        self._uses.clear()


def _misused(key: str, rule: str, detail: str) -> StripeError:
    return StripeError(
        400,
        f"Keys for idempotent requests can only be used {rule}{detail}. Try using a key other than '{key}' if you "
        "meant to execute a different request.",
        type="idempotency_error",
    )


def _in_use(key: str) -> StripeError:
    return StripeError(
        409,
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        f"twice, and the other request is still going through): {key}. Please try again later.",
        code="idempotency_key_in_use",
    )
