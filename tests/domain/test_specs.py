"""A job is what its author describes, and a wrong shape says so at once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from hub.domain.errors import ConfigurationError
from hub.domain.retry import Backoff
from hub.domain.specs import JobContext, JobSpec, job
from hub.models import Args, Result

if TYPE_CHECKING:
    Elsewhere = Args


class Order(Args):
    number: str


class Receipt(Result):
    id: str


async def ship(ctx: JobContext, order: Order) -> Receipt:
    """Ship an order.

    More about it.
    """
    return Receipt(id=f"{ctx.job_id}-{order.number}")


def problems(function: Any, **options: Any) -> tuple[str, ...]:
    describe: Callable[[Any], JobSpec] = job(**options)
    with pytest.raises(ConfigurationError) as wrong:
        describe(function)
    return wrong.value.problems


def test_a_job_is_its_function_and_its_policy() -> None:
    """The name comes from the file and the function, the summary from the first line."""
    retry = Backoff(attempts=3)
    spec = job(retry=retry, queue="parcels", priority=9, timeout=timedelta(seconds=5), on="shop:order.paid")(
        ship
    )

    assert spec == JobSpec(
        name="test_specs.ship",
        function=ship,
        args=Order,
        retry=retry,
        queue="parcels",
        priority=9,
        timeout=timedelta(seconds=5),
        on=("shop:order.paid",),
        summary="Ship an order.",
    )


def test_the_defaults_are_those_documented() -> None:
    """The default queue, the middle priority, five minutes, no event."""
    spec = job()(ship)

    assert (spec.queue, spec.priority, spec.timeout, spec.on) == ("default", 5, timedelta(minutes=5), ())
    assert spec.retry == Backoff()


def not_async(ctx: JobContext, args: Order) -> None: ...
async def one_parameter(ctx: JobContext) -> None: ...
async def three_parameters(ctx: JobContext, args: Order, more: int) -> None: ...
async def no_annotation(ctx: JobContext, args) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
async def by_keyword(ctx: JobContext, *, args: Order) -> None: ...
async def any_number(ctx: JobContext, *args: Order) -> None: ...
async def not_a_model(ctx: JobContext, args: dict[str, Any]) -> None: ...
async def not_a_shape(ctx: JobContext, args: int) -> None: ...
async def perhaps_a_model(ctx: JobContext, args: Order | None) -> None: ...
async def not_there_when_it_runs(ctx: JobContext, args: "Elsewhere") -> None: ...


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (not_async, "must be an async function"),
        (one_parameter, "must take (ctx: JobContext, args: SomeArgs)"),
        (three_parameters, "must take (ctx: JobContext, args: SomeArgs)"),
        (no_annotation, "must take (ctx: JobContext, args: SomeArgs)"),
        (by_keyword, "must take (ctx: JobContext, args: SomeArgs)"),
        (any_number, "must take (ctx: JobContext, args: SomeArgs)"),
        (not_a_model, "must be a class of Args or EventModel"),
        (not_a_shape, "must be a class of Args or EventModel"),
        (perhaps_a_model, "must be a class of Args or EventModel"),
        (not_there_when_it_runs, "cannot be read when it runs"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_function_of_another_shape_is_no_job(function: Any, says: str) -> None:
    """One sentence that names the job and says what to do."""
    (problem,) = problems(function)

    assert problem.startswith(f"job test_specs.{function.__name__}")
    assert says in problem


@pytest.mark.parametrize(
    "options",
    [
        *({"queue": name} for name in ["", "Default", "a b", "1st", "-", "a" * 64, "a\n", "é", "a.b", "a:b"]),
        *({"priority": number} for number in [-1, 10]),
        *({"timeout": timedelta(seconds=number)} for number in [0, -1]),
        *(
            {"on": event}
            for event in ["", "stripe", ":", "stripe:", ":type", "a b:c", "stripe: paid", "stripe:a\n"]
        ),
    ],
    ids=repr,
)
def test_a_policy_that_cannot_work_is_refused(options: dict[str, Any]) -> None:
    """Queues, priorities, timeouts and subscriptions."""
    assert len(problems(ship, **options)) == 1


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Nobody has to start ten times to find ten mistakes."""
    found = problems(not_async, queue="A", priority=10, timeout=timedelta(0), on=("a", "b:c", "d"))

    assert len(found) == 6


def test_a_job_is_still_its_function() -> None:
    """What was decorated can be called in a test, with any context."""

    class Context:
        job_id = "1"

    spec = job()(ship)

    assert asyncio.run(spec.function(Context(), Order(number="2"))) == Receipt(id="1-2")  # type: ignore[arg-type]
