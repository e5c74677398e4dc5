"""Business keys reach jobs however these come about: submitted, started by a webhook, or enqueued."""

from pydantic import model_validator

from hub import Args, EventModel, JobContext, job
from hub.domain.tags import MAX_TAGS
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


class Torn(EventModel):
    about: str

    @model_validator(mode="after")
    def _torn(self) -> "Torn":
        raise KeyError(self.about)


@job(on="depot:parcel.torn", tags="parcel:{about}")
async def mend(ctx: JobContext, event: Torn) -> None:
    pass


class Page(Args):
    number: int = 0


@job(tags="page:{number}")
async def turn(ctx: JobContext, args: Page) -> None:
    if args.number < MAX_TAGS + 5:
        await ctx.enqueue(turn, number=args.number + 1)


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


async def test_an_event_is_accepted_whatever_its_job_s_model_raises(start: Start) -> None:
    """A mistake in a model's own checks is that job's to fail of, and keeps no webhook out."""
    engine = await start(mend, sources=(source,), environ=SETTINGS)
    await engine.hub.intake.receive("depot", *delivery("e1", "parcel.torn", about="p1"), "test")
    await engine.hub.intake.drain()
    assert await tags(engine) == {"mend": []}
    await engine.work()
    assert [row[0] for row in await engine.sql("SELECT error_kind FROM jobs")] == ["KeyError"]


async def test_a_chain_of_jobs_does_not_gather_tags_without_end(start: Start) -> None:
    """Each keeps its own and the latest of those before it."""
    engine = await start(turn)
    await engine.submit("test_tags.turn", {}, tags=("book",))
    while await engine.work():
        pass
    rows = await engine.sql("SELECT tags FROM jobs ORDER BY created_at")
    last = MAX_TAGS + 5
    assert len(rows) == last + 1
    assert rows[1][0] == ["page:1", "book", "page:0"]
    assert rows[-1][0] == [f"page:{number}" for number in range(last, last - MAX_TAGS, -1)]
