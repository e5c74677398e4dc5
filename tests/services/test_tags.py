"""Business keys reach jobs however these come about: submitted, started by a webhook, or enqueued."""

from hub import Args, EventModel, JobContext, job
from tests.services.conftest import Start
from tests.services.deliveries import SETTINGS, delivery, source
from tests.services.engine import Engine


class Parcel(Args):
    number: str = "p1"


class Lost(EventModel):
    about: str


@job(tags="parcel:{number}")
async def note(ctx: JobContext, args: Parcel) -> None:
    pass


@job()
async def plain(ctx: JobContext, args: Parcel) -> None:
    pass


@job(on="depot:parcel.lost", tags=("parcel:{about}", "depot:{about}"))
async def search(ctx: JobContext, event: Lost) -> None:
    await ctx.enqueue(note, number="p2")
    await ctx.enqueue(plain)


async def tags(engine: Engine) -> dict[str, list[str]]:
    rows = await engine.sql("SELECT name, tags FROM jobs")
    return {name.partition(".")[2]: sorted(tags) for name, tags in rows}


async def test_a_submitted_job_has_what_it_was_given_and_what_it_is_about(start: Start) -> None:
    """And its key still stands for the same request."""
    engine = await start(note, plain)
    for _ in range(2):
        await engine.submit("test_tags.note", {"number": "p9"}, tags=("vip",), idempotency_key="k")
    assert await tags(engine) == {"note": ["parcel:p9", "vip"]}


async def test_webhooks_and_children_carry_the_keys_on(start: Start) -> None:
    """What a job enqueues belongs to what the job belongs to, and to what it is about itself."""
    engine = await start(search, note, plain, sources=(source,), environ=SETTINGS)
    await engine.hub.intake.receive("depot", *delivery("e1", "parcel.lost", about="p1"), "test")
    await engine.hub.intake.drain()
    await engine.work()
    assert await tags(engine) == {
        "search": ["depot:p1", "parcel:p1"],
        "note": ["depot:p1", "parcel:p1", "parcel:p2"],
        "plain": ["depot:p1", "parcel:p1"],
    }


async def test_an_event_that_does_not_fit_is_accepted_without_them(start: Start) -> None:
    """Why it does not fit is told by the job."""
    engine = await start(search, note, plain, sources=(source,), environ=SETTINGS)
    await engine.hub.intake.receive("depot", *delivery("e1", "parcel.lost"), "test")
    await engine.hub.intake.drain()
    assert await tags(engine) == {"search": []}
