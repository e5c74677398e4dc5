"""Every error the hub raises on purpose.

HubError
├── ConfigurationError          the environment, or a provider, source or job file, is wrong: nothing starts
├── Unavailable                 a store is away or full: nothing changed, try again after `retry_after`
├── Refusal                     a request that cannot be honoured; nothing changed
│   ├── NotFound
│   ├── Invalid                 one `Problem` per thing that is wrong
│   ├── Conflict                the state of things forbids it
│   ├── KeyReused               an idempotency key used again for another request
│   ├── Forbidden               the caller is known, and may not do this
│   ├── CredentialRefused       an API key that is wrong or was revoked
│   ├── LoginRefused            a password, link or identity that lets nobody in
│   ├── TooManyLogins           from one address; come back after `retry_after`
│   └── SignatureRefused        a webhook that is not shown to come from its provider
├── CallError                   a call to a provider did not give its result (carries how certain its effect is)
│   ├── NotSent                 refused, DNS, pool full: the provider never saw it
│   │   └── BreakerOpen         the hub itself did not try; `retry_after` says when it will
│   ├── NoAnswer                sent, and nothing came back: the effect may or may not exist
│   ├── ProviderFault           answered 5xx: as uncertain as no answer, and may pass
│   ├── Throttled               answered 429: nothing happened, come back after `retry_after`
│   └── Rejected                answered with a definite no, which will not pass by itself
│       ├── Declined            the business said no (a card, a mailbox)
│       └── Unauthorized        the hub's own credentials are wrong
├── Fail                        raised by a job: stop for good, with this reason
├── Snooze                      raised by a job: run again later, without using up the retry budget
├── WaitTimedOut                raised to a job: what it waited for did not come in time
├── UncertainEffect             an effect may exist and a repeat is not protected: a person decides
├── ArgsUnknown                 a job's arguments do not fit this release: held for the one that accepted them
└── StepsChanged                the record of this job's steps does not fit its code any more: held, not guessed
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hub.domain.causes import NOWHERE, Place
from hub.domain.effects import Certainty


class HubError(Exception):
    """The root of everything the hub raises on purpose."""


class ConfigurationError(HubError):
    """What is wrong, every item at once, in words that say what to do.

    Args:
        problems: one sentence each.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Unavailable(HubError):
    """A store cannot take this now. Nothing was changed, or nothing is known to be; asking again is safe."""

    def __init__(self, what: str, retry_after: timedelta = timedelta(seconds=1)) -> None:
        super().__init__(what)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a request: a JSON pointer (RFC 6901) into it, and a sentence."""

    pointer: str
    message: str


class Refusal(HubError):
    """A request that cannot be honoured as it stands. `code` is for machines, the message for people."""

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.problems = problems


class NotFound(Refusal):
    """There is no such thing, or not for this caller."""

    code = "not_found"


class Invalid(Refusal):
    """The request is understood and wrong."""

    code = "invalid"


class Conflict(Refusal):
    """The state of the thing forbids it."""

    code = "conflict"


class KeyReused(Refusal):
    """An idempotency key that already stands for another request."""

    code = "idempotency_key_reused"


class Forbidden(Refusal):
    """The caller is known, and may not do this; another might."""

    code = "forbidden"


class CredentialRefused(Refusal):
    """An API key that is wrong or was revoked; which of these is not told."""

    code = "key_refused"

    def __init__(self) -> None:
        super().__init__("the API key is wrong or was revoked")


class LoginRefused(Refusal):
    """Nobody is let in by this. What exactly is wrong is not told; the log is told `why`."""

    code = "login_refused"

    def __init__(self, message: str, why: str = "") -> None:
        super().__init__(message)
        self.why = why or message


class TooManyLogins(Refusal):
    """More log-ins were tried from one address than people make."""

    code = "too_many_logins"

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__("too many log-ins were tried from your address; wait a little")
        self.retry_after = retry_after


class SignatureRefused(Refusal):
    """A webhook that is not shown to come from its provider. The sender is not told why; the log is."""

    code = "signature_refused"

    def __init__(self, why: str) -> None:
        super().__init__("the signature was not accepted")
        self.why = why


class CallError(HubError):
    """A call to a provider that did not give its result.

    Args:
        message: for people; never holds a secret or a body.
        code: the provider's own code, or the hub's, for machines.
        retry_after: how long the provider asks to be left alone.

    Attributes:
        place: which call it was; known once it has left the step.
    """

    certainty: Certainty = Certainty.UNKNOWN
    place: Place = NOWHERE

    def __init__(
        self,
        message: str,
        *,
        code: str = "call_failed",
        retry_after: timedelta | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after
        self.status = status


class NotSent(CallError):
    """The provider never saw the request: repeating it is always safe."""

    certainty = Certainty.NOT_SENT


class BreakerOpen(NotSent):
    """The hub did not try, because the provider has been failing, or a person has stopped calls to it (`why` says so)."""

    def __init__(self, provider: str, retry_after: timedelta, why: str = "") -> None:
        message = why or f"{provider} has been failing: not called"
        super().__init__(message, code="breaker_open", retry_after=retry_after)


class NoAnswer(CallError):
    """Sent, and nothing came back (timeout, reset): the effect may or may not exist."""

    certainty = Certainty.UNKNOWN


class ProviderFault(CallError):
    """Answered 5xx. Whether the effect exists is not known; it may pass."""

    certainty = Certainty.UNKNOWN


class Throttled(CallError):
    """Answered 429: nothing happened, and a repeat is as good as the first. Uses up no retry budget.

    NOT_SENT, as it was turned away at the door: REJECTED would keep the step refused for as long as the job lives.
    """

    certainty = Certainty.NOT_SENT


class Rejected(CallError):
    """A definite no that will not pass by itself."""

    certainty = Certainty.REJECTED


class Declined(Rejected):
    """The business said no: a declined card, a mailbox that does not exist."""


class Unauthorized(Rejected):
    """The provider does not accept the hub's credentials.

    NOT_SENT, as it was turned away at the door: it says nothing of an earlier send under the same key, which a REJECTED
    would let a person's retry replace with a new one.
    """

    certainty = Certainty.NOT_SENT


class Fail(HubError):
    """Raised by a job to stop for good.

    Args:
        message: why, for the operator.
        code: for machines, and for grouping.
    """

    def __init__(self, message: str, *, code: str = "failed_by_job") -> None:
        super().__init__(message)
        self.code = code


class Snooze(HubError):
    """Raised by a job to be run again later without using up its retry budget."""

    def __init__(self, delay: timedelta, why: str = "asked to be run later") -> None:
        super().__init__(why)
        self.delay = delay


class WaitTimedOut(HubError):
    """The event that a job waited for did not come in time."""

    code = "wait_timed_out"

    def __init__(self, event: str, about: str) -> None:
        super().__init__(f"no {event} about {about} came in time")


class UncertainEffect(HubError):
    """An effect may exist at the provider and its idempotency cannot cover a repeat. `place` is the call's."""

    code = "uncertain_effect"
    place: Place = NOWHERE

    def __init__(self, step: str, since: datetime) -> None:
        at = f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
        super().__init__(
            f"{step} was sent at {at} and never answered; look it up at the provider before a retry"
        )


class ArgsUnknown(HubError):
    """Arguments that another release accepted and that do not fit this one, as during a deploy."""

    code = "args_unknown"


class StepsChanged(HubError):
    """The recorded steps do not fit the job's code, as after a deploy that reordered them."""

    code = "steps_changed"

    def __init__(self, position: int, recorded: str, asked: str) -> None:
        super().__init__(f"step {position} was recorded as {recorded!r}, and this release asks for {asked!r}")
