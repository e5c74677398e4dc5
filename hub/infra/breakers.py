"""Circuit breakers: a provider that keeps failing is left alone for a while, then asked once whether it is back.

aiobreaker counts and keeps the state. Around it stands what it lacks: a clock that is passed in, one probe at a time in
half-open, the provider's own error on the call that trips it, and answers that say nothing about the provider's health
left out of the count (aiobreaker would let each of them reset it). Over all of it stands what a person orders.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from aiobreaker import CircuitBreaker, CircuitBreakerError, CircuitBreakerState

from hub.domain.errors import BreakerOpen, CallError, NoAnswer, NotSent, ProviderFault
from hub.domain.overrides import Forced, look_again
from hub.infra.breaker_states import BreakerState, Standing, State

Clock = Callable[[], float]

PROBE_WAIT = timedelta(seconds=1)  # how soon to ask again while somebody else's probe is out
RECENT = 60.0  # seconds that the error rate looks back
MAX_RECENT = 200  # calls that the error rate is made of, at most
MAX_CIRCUITS = 1000  # targets come from arguments: a breaker for each, and not for ever


def counts(error: CallError) -> bool:
    """Whether an error says that the provider is unwell: no answer, 5xx, unreachable.

    A provider that answers 4xx (a key in use, a mailbox that asks to come later) is there and minds its business.
    """
    if isinstance(error, BreakerOpen) or not isinstance(error, NoAnswer | ProviderFault | NotSent):
        return False
    return error.status is None or not 400 <= error.status < 500


class _Failure(Exception):
    """Tells aiobreaker to count; never seen outside."""


def _fail() -> None:
    raise _Failure


def _succeed() -> None:
    pass


class _Machine(CircuitBreaker):  # type: ignore[misc]  # aiobreaker carries no types
    """aiobreaker's states and counts, on a clock that is passed in: its own mixes utcnow() and now()."""

    def __init__(self, fail_max: int) -> None:
        super().__init__(fail_max=fail_max)

    def open(self) -> None:
        """Open, and leave the time to the circuit."""
        self.state = self._state_storage.state = CircuitBreakerState.OPEN

    @property
    def opens_at(self) -> datetime:
        """Wanted for the text of an error that never leaves this file."""
        return datetime.fromtimestamp(0, UTC)


class Circuit:
    """The breaker of one provider, or of one target of a provider whose arguments say where to send."""

    def __init__(
        self,
        provider: str,
        target: str,
        *,
        clock: Clock,
        failures: int,
        open_for: float,
        changed: Callable[["Circuit"], None],
        standing: Callable[[str], Standing | None] = lambda _provider: None,
    ) -> None:
        self.provider = provider
        self.target = target
        self.reopens_at = -math.inf
        self._clock = clock
        self._open_for = open_for
        self._changed = changed
        self._standing = standing
        self._machine = _Machine(failures)
        self._epoch = 0
        self._probing = False
        self._recent: deque[tuple[float, bool]] = deque(maxlen=MAX_RECENT)

    @property
    def name(self) -> str:
        """What the fleet knows it by."""
        return f"{self.provider} {self.target}".strip()

    @property
    def state(self) -> State:
        """Where it stands now: as a person ordered, else by itself."""
        standing = self._standing(self.provider)
        return State(standing.override.state) if standing else self.own_state

    @property
    def own_state(self) -> State:
        """Where it stands by itself; open turns into half-open by time alone."""
        match self._machine.current_state:
            case CircuitBreakerState.CLOSED:
                return State.CLOSED
            case CircuitBreakerState.OPEN if self._clock() < self.reopens_at:
                return State.OPEN
            case _:
                return State.HALF_OPEN

    @contextmanager
    def call(self) -> Iterator[None]:
        """Let one call through and take note of how it ends. The call's own error passes unchanged.

        Raises:
            BreakerOpen: this is not the time.
        """
        probe = self._admit()
        epoch = self._epoch
        try:
            yield
        except CallError as error:
            if counts(error):
                self._report(epoch, probe=probe, failed=True)
            raise
        else:
            self._report(epoch, probe=probe, failed=False)
        finally:
            # A cancelled probe, or one whose answer says nothing, leaves its place to the next call.
            if probe:
                self._probing = False

    def open_until(self, reopens_at: float) -> None:
        """Open because another process did; `reopens_at` on this process's clock."""
        self.reopens_at = reopens_at
        if self._machine.current_state is not CircuitBreakerState.OPEN:
            self._machine.open()
            self._epoch += 1

    def close(self) -> None:
        """Close because another process found the provider well."""
        if self._machine.current_state is not CircuitBreakerState.CLOSED:
            self._machine.close()
            self._epoch += 1

    def snapshot(self) -> BreakerState:
        """What can be shown."""
        now = self._clock()
        recent = [failed for at, failed in self._recent if now - at <= RECENT]
        state = self.state
        return BreakerState(
            provider=self.provider,
            target=self.target,
            state=state,
            failures=int(self._machine.fail_counter),
            retry_after=self._retry_after(state, now),
            calls=len(recent),
            error_rate=sum(recent) / len(recent) if recent else 0.0,
        )

    def _retry_after(self, state: State, now: float) -> timedelta | None:
        if state is not State.OPEN:
            return None
        standing = self._standing(self.provider)
        ends_at = standing.ends_at if standing else self.reopens_at
        return timedelta(seconds=ends_at - now) if math.isfinite(ends_at) else None

    def _admit(self) -> bool:
        """Whether this call is the probe; raises BreakerOpen when it may not go at all."""
        if standing := self._standing(self.provider):
            return self._obey(standing)
        match self.own_state:
            case State.CLOSED:
                return False
            case State.OPEN:
                raise BreakerOpen(self.provider, timedelta(seconds=self.reopens_at - self._clock()))
            case State.HALF_OPEN:
                if self._probing:
                    raise BreakerOpen(self.provider, PROBE_WAIT)
                self._machine.half_open()
                self._probing = True
                return True

    def _obey(self, standing: Standing) -> bool:
        if standing.override.state is Forced.OPEN:
            left = standing.ends_at - self._clock() if math.isfinite(standing.ends_at) else None
            raise BreakerOpen(self.provider, look_again(left), standing.override.why())
        return False

    def _report(self, epoch: int, *, probe: bool, failed: bool) -> None:
        self._recent.append((self._clock(), failed))
        if self._standing(self.provider):
            # A person has judged: what is seen meanwhile is shown, and moves nothing.
            return
        # Calls that were under way when it opened come in late; only the probe decides about half-open.
        before = self._machine.current_state
        if epoch != self._epoch or (before is CircuitBreakerState.HALF_OPEN and not probe):
            return
        with suppress(_Failure, CircuitBreakerError):
            self._machine.call(_fail if failed else _succeed)
        if self._machine.current_state is not before:
            self._epoch += 1
            self.reopens_at = self._clock() + self._open_for if failed else -math.inf
            self._changed(self)


class Breakers:
    """The breakers of one process.

    Args:
        clock: steady seconds.
        failures: in a row that open a breaker.
        open_for: how long it then stays open.
    """

    def __init__(
        self,
        *,
        clock: Clock = time.monotonic,
        failures: int = 5,
        open_for: timedelta = timedelta(seconds=15),
    ) -> None:
        self.clock = clock
        self._failures = failures
        self._open_for = open_for.total_seconds()
        self._circuits: dict[tuple[str, str], Circuit] = {}
        self._listeners: list[Callable[[Circuit], None]] = []
        self._overrides: Mapping[str, Standing] = {}

    def override(self, standing: Mapping[str, Standing]) -> None:
        """Hold the breakers of these providers as persons ordered, and give all others back to themselves."""
        self._overrides = dict(standing)

    def standing(self, provider: str) -> Standing | None:
        """What a person ordered of a provider's breakers, if it still holds."""
        found = self._overrides.get(provider)
        return found if found and self.clock() < found.ends_at else None

    def of(self, provider: str, target: str = "") -> Circuit:
        """The breaker of a provider, or of one of its targets; made when first asked for."""
        key = (provider, target)
        circuit = self._circuits.pop(key, None) or self._new(provider, target)
        # Put back at the end: the front is what was not used for the longest time.
        self._circuits[key] = circuit
        if len(self._circuits) > MAX_CIRCUITS:
            self._forget_one()
        return circuit

    def listen(self, listener: Callable[[Circuit], None]) -> None:
        """Call `listener` whenever a call made here opens or closes a breaker."""
        self._listeners.append(listener)

    def all(self) -> Mapping[str, Circuit]:
        """Every breaker by its name."""
        return {circuit.name: circuit for circuit in self._circuits.values()}

    def snapshot(self) -> list[BreakerState]:
        """Every breaker as it can be shown, by provider and target."""
        return [circuit.snapshot() for _, circuit in sorted(self._circuits.items())]

    def closed_in(self, provider: str) -> timedelta | None:
        """How long a provider is left alone, as far as this process knows; None if it is not."""
        states = [state for state in self.snapshot() if state.provider == provider]
        return max((state.retry_after for state in states if state.retry_after is not None), default=None)

    def _new(self, provider: str, target: str) -> Circuit:
        return Circuit(
            provider,
            target,
            clock=self.clock,
            failures=self._failures,
            open_for=self._open_for,
            changed=self._notify,
            standing=self.standing,
        )

    def _notify(self, circuit: Circuit) -> None:
        for listener in self._listeners:
            listener(circuit)

    def _forget_one(self) -> None:
        for key, circuit in self._circuits.items():
            if circuit.state is State.CLOSED and circuit.target:
                del self._circuits[key]
                return
