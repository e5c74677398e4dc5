"""Circuit breakers: what counts, who may probe, and that aiobreaker's own habits do not show."""

import asyncio
import math
from datetime import UTC, datetime, timedelta

import pytest

from hub import CallError, Declined, NoAnswer, ProviderFault, Rejected, Throttled
from hub.domain.errors import BreakerOpen, NotSent, Unauthorized
from hub.domain.overrides import LOOK_AGAIN, Forced, Override
from hub.infra.breaker_states import Standing, State
from hub.infra.breakers import MAX_CIRCUITS, PROBE_WAIT, Breakers, Circuit, counts
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    return Breakers(clock=clock, failures=3, open_for=timedelta(seconds=10))


@pytest.fixture
def circuit(breakers: Breakers) -> Circuit:
    return breakers.of("shop")


FAULT = ProviderFault("500", status=500)
NO = Declined("no", status=402)


def run(circuit: Circuit, error: CallError | None = None) -> None:
    """One call that ends this way; its error is expected to come through unchanged."""
    if error is None:
        with circuit.call():
            pass
        return
    with pytest.raises(type(error)) as caught, circuit.call():
        raise error
    assert caught.value is error


def state_of(circuit: Circuit) -> State:
    """Where it stands now (mypy would take two looks at the property for one)."""
    return circuit.state


def trip(circuit: Circuit) -> None:
    """Three failures in a row."""
    for _ in range(3):
        run(circuit, FAULT)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NoAnswer("timeout"), True),
        (NoAnswer("200 with nonsense", status=200), True),
        (ProviderFault("500", status=500), True),
        (ProviderFault("503", status=503), True),
        (ProviderFault("redirect", status=302), True),
        (NotSent("refused"), True),
        (ProviderFault("the key is in use", status=409), False),
        (NotSent("greylisted", status=451), False),
        (BreakerOpen("shop", timedelta(seconds=1)), False),
        (Throttled("slow down", status=429), False),
        (Rejected("no", status=400), False),
        (Declined("no", status=402), False),
        (Unauthorized("who?", status=401), False),
    ],
)
def test_only_errors_of_the_provider_itself_count(error: CallError, *, expected: bool) -> None:
    """The truth table."""
    assert counts(error) is expected


def test_the_call_that_trips_it_keeps_its_own_error(circuit: Circuit) -> None:
    """`run` checks that each error is the very one that was raised."""
    trip(circuit)
    assert state_of(circuit) is State.OPEN


def test_open_it_lets_nothing_through_and_says_when(circuit: Circuit, clock: Clock) -> None:
    """The refusal tells how long it will last."""
    trip(circuit)
    clock.now += 4
    with pytest.raises(BreakerOpen) as caught, circuit.call():
        pytest.fail("it was let through")
    assert caught.value.retry_after == timedelta(seconds=6)


def test_a_success_in_between_starts_the_count_anew(circuit: Circuit) -> None:
    """Failures count in a row."""
    run(circuit, FAULT)
    run(circuit, FAULT)
    run(circuit)
    run(circuit, FAULT)
    run(circuit, FAULT)
    assert state_of(circuit) is State.CLOSED


def test_a_no_in_between_does_not_start_the_count_anew(circuit: Circuit) -> None:
    """Alone, aiobreaker would take every excluded error for a success."""
    run(circuit, FAULT)
    run(circuit, FAULT)
    run(circuit, NO)
    run(circuit, Throttled("slow down", status=429))
    run(circuit, FAULT)
    assert state_of(circuit) is State.OPEN


def test_time_turns_open_into_half_open_and_a_success_closes_it(circuit: Circuit, clock: Clock) -> None:
    """The usual way back."""
    trip(circuit)
    clock.now += 10
    assert state_of(circuit) is State.HALF_OPEN
    run(circuit)
    assert state_of(circuit) is State.CLOSED
    run(circuit, FAULT)
    assert state_of(circuit) is State.CLOSED


def test_a_probe_that_fails_opens_it_for_the_whole_time_again(circuit: Circuit, clock: Clock) -> None:
    """One failure is enough, and its error is the provider's."""
    trip(circuit)
    clock.now += 12
    run(circuit, FAULT)
    assert state_of(circuit) is State.OPEN
    assert circuit.snapshot().retry_after == timedelta(seconds=10)


@pytest.mark.parametrize("error", [NO, Throttled("slow down", status=429)])
def test_a_probe_that_hears_no_decides_nothing(circuit: Circuit, clock: Clock, error: CallError) -> None:
    """It neither closes nor opens: the next call is the next probe."""
    trip(circuit)
    clock.now += 10
    run(circuit, error)
    assert state_of(circuit) is State.HALF_OPEN
    run(circuit)
    assert state_of(circuit) is State.CLOSED


async def test_half_open_lets_one_probe_through_at_a_time(circuit: Circuit, clock: Clock) -> None:
    """Of fifty calls at once one goes to the provider; aiobreaker would let all of them through."""
    trip(circuit)
    clock.now += 10
    answered, let_through = asyncio.Event(), 0

    async def probe() -> None:
        nonlocal let_through
        with circuit.call():
            let_through += 1
            await answered.wait()

    calls = [asyncio.create_task(probe()) for _ in range(50)]
    await asyncio.sleep(0)
    answered.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    refusals = [outcome for outcome in outcomes if isinstance(outcome, BreakerOpen)]
    assert let_through == 1
    assert len(refusals) == 49
    assert {refusal.retry_after for refusal in refusals} == {PROBE_WAIT}
    assert state_of(circuit) is State.CLOSED


async def test_a_cancelled_probe_leaves_its_place_to_the_next(circuit: Circuit, clock: Clock) -> None:
    """A deploy in the middle of a probe does not keep the breaker half-open for ever."""
    trip(circuit)
    clock.now += 10

    async def probe() -> None:
        with circuit.call():
            await asyncio.Event().wait()

    probing = asyncio.create_task(probe())
    await asyncio.sleep(0)
    probing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probing
    run(circuit)
    assert state_of(circuit) is State.CLOSED


def test_calls_that_come_in_late_change_nothing(circuit: Circuit, clock: Clock) -> None:
    """A slow success from before does not close it, a slow failure does not spoil the probe."""
    late_success, late_failure = circuit.call(), circuit.call()
    late_success.__enter__()
    late_failure.__enter__()
    trip(circuit)
    late_success.__exit__(None, None, None)
    assert state_of(circuit) is State.OPEN
    clock.now += 10
    probe = circuit.call()
    probe.__enter__()
    assert not late_failure.__exit__(ProviderFault, FAULT, None)
    assert state_of(circuit) is State.HALF_OPEN
    probe.__exit__(None, None, None)
    assert state_of(circuit) is State.CLOSED


def test_what_another_process_found_out_holds_here(circuit: Circuit, clock: Clock) -> None:
    """Opened from outside until a time, and closed from outside."""
    circuit.open_until(clock.now + 5)
    with pytest.raises(BreakerOpen), circuit.call():
        pytest.fail("it was let through")
    circuit.close()
    run(circuit)


def test_each_target_has_its_own(breakers: Breakers) -> None:
    """One dead receiver does not stop the others."""
    for _ in range(3):
        run(breakers.of("http", "dead.example"), FAULT)
    run(breakers.of("http", "alive.example"))
    shown = {(state.provider, state.target): state.state for state in breakers.snapshot()}
    assert shown == {("http", "dead.example"): State.OPEN, ("http", "alive.example"): State.CLOSED}


def test_targets_are_forgotten_but_open_ones_and_providers_are_not(breakers: Breakers) -> None:
    """Targets come from arguments; memory does not grow with them."""
    run(breakers.of("shop"))
    for _ in range(3):
        run(breakers.of("http", "dead.example"), FAULT)
    for number in range(MAX_CIRCUITS + 50):
        breakers.of("http", f"host{number}.example")
    names = breakers.all().keys()
    assert len(names) == MAX_CIRCUITS
    assert {"shop", "http dead.example"} <= names


def test_the_snapshot_tells_the_recent_error_rate(circuit: Circuit, clock: Clock, breakers: Breakers) -> None:
    """Of the last minute, and only what counts."""
    run(circuit, FAULT)
    clock.now += 61
    run(circuit)
    run(circuit, FAULT)
    run(circuit, NO)
    [state] = breakers.snapshot()
    assert (state.calls, state.error_rate, state.failures) == (2, 0.5, 1)
    assert state.state is State.CLOSED
    assert state.retry_after is None


def held(state: Forced, ends_at: float = math.inf) -> dict[str, Standing]:
    """An order about the shop."""
    order = Override("shop", state, "maintenance", "ada", datetime(2027, 1, 31, tzinfo=UTC))
    return {"shop": Standing(order, ends_at)}


def test_a_breaker_that_a_person_holds_open_lets_nothing_through(breakers: Breakers, clock: Clock) -> None:
    """However well the provider is; and the refusal says who and why. Other providers are called."""
    breakers.override(held(Forced.OPEN))
    with pytest.raises(BreakerOpen, match=r"ada holds its breaker open \(maintenance\)") as refused:
        run(breakers.of("shop"))
    assert refused.value.retry_after == LOOK_AGAIN
    clock.now += 3600
    with pytest.raises(BreakerOpen), breakers.of("shop").call():
        pytest.fail("it was let through")
    run(breakers.of("post"))
    assert breakers.of("shop").snapshot().retry_after is None


def test_a_breaker_that_a_person_holds_closed_lets_everything_through(
    breakers: Breakers, circuit: Circuit
) -> None:
    """Though it was open, and though all fails meanwhile; what it saw then moves nothing afterwards."""
    trip(circuit)
    breakers.override(held(Forced.CLOSED))
    for _ in range(5):
        run(circuit, FAULT)
    assert state_of(circuit) is State.CLOSED
    assert circuit.snapshot().error_rate == 1
    breakers.override({})
    assert state_of(circuit) is State.OPEN


def test_an_order_ends_when_its_time_has_come(breakers: Breakers, clock: Clock) -> None:
    """By itself, also while the database cannot be asked; jobs look again no later than that."""
    breakers.override(held(Forced.OPEN, ends_at=clock.now + 10))
    with pytest.raises(BreakerOpen) as refused:
        run(breakers.of("shop"))
    assert refused.value.retry_after == timedelta(seconds=10)
    clock.now += 10
    run(breakers.of("shop"))
