"""What is told of the work: each attempt that goes wrong is one line with the ids to search for, and is counted."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from hub import Args, Backoff, Fail, JobContext, Snooze, job
from hub.domain.errors import BreakerOpen, Declined, Invalid, NoAnswer, Rejected, Throttled, Unavailable
from hub.domain.jobs import JobState, OutcomeKind, Transition
from hub.domain.providers import Call
from hub.domain.redaction import Redactor
from hub.infra.breakers import Breakers
from hub.infra.metrics import Metrics
from hub.infra.store.execution import Claimed
from hub.services.telemetry import Telemetry, counted, tell_changes
from tests.infra.test_metrics import samples
from tests.services import shop
from tests.services.conftest import Start
from tests.services.engine import Engine, another

ERRORS: list[BaseException] = []


@job(retry=Backoff(attempts=2))
async def fall(_ctx: JobContext, _args: Args) -> None:
    if ERRORS:
        raise ERRORS[0]


@job()
async def write(ctx: JobContext, _args: Args) -> None:
    await ctx.call(shop.letter)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics.make(version="1", process=False)


async def told(engine: Engine, *errors: BaseException, attempts: int = 1) -> list[Any]:
    """The lines that the attempts of a job leave, which ends like this."""
    ERRORS[:] = errors
    await engine.submit("test_telemetry.fall", correlation_id="order-7")
    with capture_logs() as lines:
        for _ in range(attempts):
            await engine.work()
            await engine.pass_time()
    return [line for line in lines if line.get("job")]


@pytest.mark.parametrize(
    ("error", "level", "reason", "code"),
    [
        (Declined("no", code="card_declined"), "warning", "declined", "card_declined"),
        (Fail("enough"), "warning", "stopped", "failed_by_job"),
        (Invalid("what is that"), "warning", "invalid", "invalid"),
    ],
)
async def test_a_job_that_fails_for_good_is_one_line(
    start: Start, error: Exception, level: str, reason: str, code: str
) -> None:
    """With everything to search for; the business's own failures are no alarm."""
    engine = await start(fall)
    [line] = await told(engine, error)
    [row] = await engine.sql("SELECT id, error_signature FROM jobs")
    assert (line["event"], line["log_level"], line["reason"], line["code"]) == (
        "job failed",
        level,
        reason,
        code,
    )
    assert (line["job"], line["job_id"], line["attempt"]) == ("test_telemetry.fall", row[0], 1)
    # As it is written: a field that is called a signature would be blotted out.
    written = Redactor().mapping(line)
    assert (written["correlation_id"], written["cause"]) == ("order-7", row[1])
    assert samples(engine.hub.metrics)["hub_jobs_failed_total", reason, "test_telemetry.fall"] == 1


async def test_what_nobody_foresaw_shows_where_it_happened(start: Start) -> None:
    """At every attempt; and the last one is an error."""
    first, last = await told(await start(fall), ValueError("surprise"), attempts=2)
    assert (first["event"], first["log_level"]) == ("attempt failed", "warning")
    assert isinstance(first["exc_info"], ValueError)
    assert first["run_at"] > datetime.now(UTC) - timedelta(minutes=1)
    assert (last["event"], last["log_level"], last["reason"]) == ("job failed", "error", "exhausted")


async def test_success_is_told_only_where_everything_is(start: Start) -> None:
    """Most jobs succeed: a line for each costs more than some of them."""
    assert await told(await start(fall)) == []
    [line] = await told(await start(fall, environ={"HUB_LOG_LEVEL": "debug"}))
    assert (line["event"], line["log_level"], line["state"]) == ("attempt ended", "debug", "succeeded")


async def test_an_effect_in_doubt_is_an_error(start: Start, server: shop.Server) -> None:
    """A person must look."""
    engine = await start(write)
    server.answers.append(server.do_and_vanish)
    await engine.submit("test_telemetry.write")
    with capture_logs() as lines:
        await engine.work()
    [line] = lines
    assert (line["log_level"], line["reason"], line["outcome"]) == ("error", "uncertain", "uncertain")
    seen = samples(engine.hub.metrics)
    assert seen["hub_provider_calls_total", *sorted(["post", "POST /letters", "timeout"])] == 1
    assert seen["hub_provider_call_seconds_count", *sorted(["post", "POST /letters"])] == 1


async def test_a_worker_that_dies_leaves_a_line_and_a_count(start: Start) -> None:
    """Of each job that it held, told by whoever rescues it."""
    engine = await start(fall)
    lost = await another(engine.hub, lease=timedelta(seconds=-1))
    await engine.submit("test_telemetry.fall", correlation_id="order-8")
    await engine.relay.refill()
    handed = await engine.hub.queue.take(["default"], 10)
    await engine.sql("UPDATE workers SET lease_until = now() + interval '1 minute'")
    assert await lost.execute.claim(handed)
    await engine.sql("UPDATE workers SET lease_until = now() WHERE id = :id", id=lost.store.worker)
    with capture_logs() as lines:
        assert await engine.relay.rescue() == 1
    [line] = lines
    assert (line["log_level"], line["code"], line["correlation_id"]) == ("warning", "worker_lost", "order-8")
    assert line["worker"] == lost.store.worker
    assert samples(engine.hub.metrics)["hub_relay_jobs_total", "rescued"] == 1


async def test_an_end_that_comes_too_late_is_counted(start: Start) -> None:
    """The job is somebody else's by then."""
    engine = await start(fall)
    ERRORS.clear()
    await engine.submit("test_telemetry.fall")
    [claimed] = await engine.claim()
    await engine.sql("UPDATE jobs SET attempt = attempt + 1")
    await engine.execute.run(claimed)
    await engine.execute.drain()
    assert samples(engine.hub.metrics)["hub_fenced_writes_total", "settlement"] == 1


async def test_batches_and_the_relay_are_counted(start: Start) -> None:
    """By what they did."""
    engine = await start(fall)
    ERRORS.clear()
    at = datetime.now(UTC) + timedelta(hours=1)
    await engine.submit("test_telemetry.fall", run_at=at)
    await engine.sql("UPDATE jobs SET run_at = now()")
    assert await engine.work() == 1
    seen = samples(engine.hub.metrics)
    assert {name: seen["hub_batch_size_count", name] for name in ("submit", "claim", "settle")} == {
        "submit": 1, "claim": 1, "settle": 1,
    }  # fmt: skip
    assert (seen["hub_relay_jobs_total", "promoted"], seen["hub_relay_jobs_total", "handed_over"]) == (1, 1)


async def test_what_has_never_happened_is_nought(start: Start) -> None:
    """Of a counter that begins at one, Prometheus sees no increase, and an alert over it misses the first time."""
    engine = await start(fall)
    seen = samples(engine.hub.metrics)
    for reason in ("uncertain", "crash_loop", "exhausted", "declined"):
        assert seen["hub_jobs_failed_total", *sorted([reason, "test_telemetry.fall"])] == 0
    assert (seen["hub_relay_jobs_total", "rescued"], seen["hub_fenced_writes_total", "settlement"]) == (0, 0)


CALL = Call("https://shop.test", {}, "key", "order-7")


async def test_a_code_of_the_provider_s_cannot_grow_the_metrics_without_end(metrics: Metrics) -> None:
    """It is the provider's own word."""
    codes = iter([*(f"code_{number}" for number in range(200)), "code_0", "Ünsäglich"])

    async def send(*_: Any) -> Any:
        raise Rejected("no", code=next(codes))

    sending = counted(send, metrics)
    for _ in range(202):
        with pytest.raises(Rejected):
            await sending(shop.look, shop.Order(), CALL)
    calls = {key: value for key, value in samples(metrics).items() if key[0] == "hub_provider_calls_total"}
    assert len(calls) == 51
    assert sum(calls.values()) == 202
    assert calls["hub_provider_calls_total", *sorted(["shop", "GET /stock", "code_0"])] == 2
    assert calls["hub_provider_calls_total", *sorted(["shop", "GET /stock", "other"])] == 151


async def test_a_call_that_is_broken_off_is_counted_too(metrics: Metrics) -> None:
    """As what it is."""

    async def send(*_: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await counted(send, metrics)(shop.look, shop.Order(), CALL)
    assert samples(metrics)["hub_provider_calls_total", *sorted(["shop", "GET /stock", "broken_off"])] == 1


def test_a_breaker_that_opens_is_told(metrics: Metrics) -> None:
    """Once when it opens, not at every call that it turns away."""
    breakers = Breakers(failures=2)
    tell_changes(breakers, metrics)
    with capture_logs() as lines:
        for _ in range(4):
            with pytest.raises((NoAnswer, BreakerOpen)), breakers.of("shop", "one").call():
                raise NoAnswer("no answer")
    [line] = lines
    assert (line["state"], line["provider"], line["target"]) == ("open", "shop", "one")
    assert samples(metrics)["hub_breaker_changes_total", "open", "shop"] == 1


EXPECTED = [
    Declined("no"),
    Rejected("no"),
    Snooze(timedelta(minutes=1)),
    Throttled("slowly"),
    BreakerOpen("shop", timedelta(seconds=5)),
    NoAnswer("?"),
    Fail("enough"),
    Unavailable("away"),
    Invalid("what is that"),
]


@pytest.mark.parametrize("error", EXPECTED, ids=lambda error: type(error).__name__)
async def test_what_was_foreseen_is_no_error_of_the_program(metrics: Metrics, error: Exception) -> None:
    """Nobody is woken for it."""
    reports: list[BaseException] = []
    telemetry = Telemetry(metrics, lambda found, _job: reports.append(found))
    move = Transition(JobState.RETRYING, 1, 0, OutcomeKind.FAILED)
    telemetry.ended(CLAIMED, move, error, 0.1)
    assert reports == []
    telemetry.ended(CLAIMED, move, ValueError(), 0.1)
    assert len(reports) == 1


CLAIMED = Claimed(
    UUID(int=1), "a.b", {}, "default", 1, 0, 0, 1, "order-7", None, datetime(2026, 1, 1, tzinfo=UTC)
)


def test_telling_of_a_success_costs_next_to_nothing(metrics: Metrics) -> None:
    """It happens for every job. Generous, as other work runs on this machine; three microseconds are usual."""
    telemetry = Telemetry(metrics, lambda _error, _job: None)
    move = Transition(JobState.SUCCEEDED, 0, 0, OutcomeKind.SUCCEEDED)
    rounds = 20_000
    began = time.process_time()
    for _ in range(rounds):
        telemetry.ended(CLAIMED, move, None, 0.1)
    assert (time.process_time() - began) / rounds < 20e-6
