"""Alerts: each episode once, told once to each channel whoever looks, and never about themselves."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from hub import Args, Backoff, Fail, JobContext, job
from hub.bootstrap import make_alarms
from hub.domain.alerts import CALM, GAP, GATHER
from hub.domain.errors import Conflict
from hub.domain.overrides import Forced
from hub.infra.store.alarms import AlarmStore
from hub.infra.store.alerts import AlertStore
from hub.infra.store.depths import DepthStore
from hub.registry import load
from hub.services.alarms import Alarms
from hub.services.alerts import Telling
from tests.services import shop
from tests.services.conftest import Start
from tests.services.engine import Engine
from tests.services.shop import Order
from tests.until import until

ALERTS = [spec for name, spec in load().jobs.items() if name.startswith("alerts.")]
CHANNELS = {
    "HUB_ALERTS_EMAIL_TO": "oncall@example.com, boss@example.com",
    "HUB_EMAIL_BASE_URL": "smtp://127.0.0.1:1",
    "HUB_EMAIL_FROM": "hub@example.com",
    "HUB_ALERTS_WEBHOOK_URL": "https://example.com/hooks",
    "HUB_HTTP_SIGNING_SECRET": "whsec_c2VjcmV0",
    "HUB_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/xyz",
    "HUB_PUBLIC_URL": "https://hub.example.com",
}


class Nothing(Args):
    which: str = "one"


@job(queue="default")
async def fail(_ctx: JobContext, args: Nothing) -> None:
    raise Fail("it cannot be done", code=args.which)


@job(queue="default")
async def pay(ctx: JobContext, args: Order) -> shop.Done:
    return await ctx.call(shop.charge_once, item=args.item)


@job(queue="default", retry=Backoff(attempts=2, base=timedelta(hours=1)))
async def keep_paying(ctx: JobContext, args: Order) -> shop.Done:
    return await ctx.call(shop.charge, item=args.item)


Watch = tuple[Engine, Alarms]


@pytest.fixture
async def watch(start: Start) -> Watch:
    """An engine, and what watches it."""
    engine = await start(fail, pay, keep_paying, *ALERTS, providers=PROVIDERS, environ=CHANNELS)
    alarms = make_alarms(engine.hub)
    await alarms.begin()
    return engine, alarms


PROVIDERS = (shop.shop, shop.once, *(load().providers[name] for name in ("slack", "email", "http")))


async def later(engine: Engine, by: timedelta) -> None:
    """Let so much time pass, as far as alerts know."""
    await engine.sql(
        "UPDATE alerts SET raised_at = raised_at - CAST(:by AS interval), last_seen_at = last_seen_at - CAST(:by AS interval), told_at = told_at - CAST(:by AS interval),"
        " resolved_at = resolved_at - CAST(:by AS interval)",
        by=by,
    )
    await engine.sql(
        "UPDATE marks SET upto = upto - CAST(:by AS interval) WHERE name = 'alerts.told' AND isfinite(upto)",
        by=by,
    )


async def looked(watch: Watch, *, after: timedelta = GATHER) -> None:
    """Look twice, so that what the first look finds is told by the second."""
    engine, alarms = watch
    await alarms.look()
    await later(engine, after)
    await alarms.look()


async def messages(engine: Engine) -> list[dict[str, Any]]:
    """What was told to Slack, in order."""
    rows = await engine.sql("SELECT args FROM jobs WHERE name = 'alerts.to_slack' ORDER BY id")
    return [row.args for row in rows]


async def failing(engine: Engine, *which: str) -> None:
    for one in which:
        await engine.submit("test_alerts.fail", {"which": one})
    await engine.work()


async def test_a_new_cause_is_told_once_to_every_channel(watch: Watch) -> None:
    """With a link; however often it happens again, and by one job for each channel that is configured."""
    engine, alarms = watch
    await failing(engine, "broken")
    await looked(watch)
    await failing(engine, "broken")
    await looked(watch, after=GAP)
    [message] = await messages(engine)
    assert message["title"] == "test_alerts.fail fails: broken"
    [item] = message["items"]
    [group] = await engine.sql("SELECT signature FROM error_groups WHERE job = 'test_alerts.fail'")
    assert item["url"] == f"https://hub.example.com/console/inbox/{group.signature}"
    assert message["url"] == "https://hub.example.com/console/alerts"
    rows = await engine.sql(
        "SELECT name, args ->> 'to' AS to FROM jobs WHERE queue = 'alerts' ORDER BY name, args ->> 'to'"
    )
    assert [(row.name, row.to) for row in rows] == [
        ("alerts.to_email", "boss@example.com"),
        ("alerts.to_email", "oncall@example.com"),
        ("alerts.to_slack", None),
        ("alerts.to_webhook", "https://example.com/hooks"),
    ]
    for row in await engine.sql("SELECT name, args FROM jobs WHERE queue = 'alerts'"):
        engine.hub.registry.jobs[row.name].args.model_validate(row.args)
    assert not await alarms_due(alarms, engine)


async def alarms_due(alarms: Alarms, engine: Engine) -> Sequence[Any]:
    await alarms.look()
    return await engine.sql("SELECT id FROM alerts WHERE told_at IS NULL")


async def test_many_new_causes_at_once_are_one_message(watch: Watch) -> None:
    """A broken release does not send forty mails."""
    engine, _ = watch
    await failing(engine, *(f"code_{number}" for number in range(40)))
    await looked(watch)
    [message] = await messages(engine)
    assert message["title"] == "40 new causes of failure"
    assert (len(message["items"]), message["more"]) == (10, 30)


async def test_a_cause_that_was_resolved_is_told_when_it_comes_back(watch: Watch) -> None:
    """The first alert ended when a person resolved the cause; the second is another episode."""
    engine, alarms = watch
    await failing(engine, "broken")
    await looked(watch)
    await engine.sql("UPDATE error_groups SET state = 'resolved'")
    await alarms.look()
    assert await engine.hub.alerts.open() == []
    await failing(engine, "broken")
    await looked(watch, after=GAP)
    assert [message["title"] for message in await messages(engine)] == [
        "test_alerts.fail fails: broken",
        "test_alerts.fail fails again: broken",
    ]
    [alert] = await engine.hub.alerts.open()
    assert (alert.kind, alert.deliveries) == ("error_came_back", 4)


async def test_what_was_there_before_is_nobodys_news(start: Start) -> None:
    """Whoever switches alerts on is not told of all that ever failed."""
    engine = await start(fail, *ALERTS, providers=PROVIDERS, environ=CHANNELS)
    await failing(engine, "old")
    await engine.sql("UPDATE error_groups SET last_seen_at = now() - interval '1 minute'")
    alarms = make_alarms(engine.hub)
    await alarms.begin()
    await looked((engine, alarms))
    assert await messages(engine) == []


async def test_a_payment_that_may_have_happened_is_told(watch: Watch, server: shop.Server) -> None:
    """With the step, the provider and the key to look it up under; over when a person has decided."""
    engine, alarms = watch
    server.answers = [server.do_and_vanish]
    made = await engine.submit("test_alerts.pay")
    await engine.work()
    assert (await engine.job(made)).reason == "uncertain"
    await looked(watch)
    [message] = await messages(engine)
    [item] = [one for one in message["items"] if one["kind"] == "uncertain_payment"]
    assert "look it up at shop_once" in item["detail"]
    assert item["url"] == f"https://hub.example.com/console/jobs/{made}"
    await engine.retry(made)
    await alarms.look()
    assert [one.kind for one in await engine.hub.alerts.open() if one.kind == "uncertain_payment"] == []
    # Nobody is told that a person did what that person knows.
    await later(engine, GAP)
    await alarms.look()
    assert len(await messages(engine)) == 1


async def payment_alerts(engine: Engine) -> list[tuple[str, bool]]:
    """Of which job each is, and whether it is over."""
    rows = await engine.sql(
        "SELECT subject, resolved_at IS NOT NULL AS over FROM alerts WHERE kind = 'uncertain_payment' ORDER BY id"
    )
    return [(row.subject, row.over) for row in rows]


async def test_a_payment_that_no_retry_has_cleared_up_is_told(watch: Watch, server: shop.Server) -> None:
    """Once, when the last attempt is spent, and not while the job may still find out; over when a person retries."""
    engine, alarms = watch
    server.answers = [server.do_and_vanish, server.do_and_vanish]
    made = await engine.submit("test_alerts.keep_paying")
    await engine.work()
    await alarms.look()
    assert await payment_alerts(engine) == []
    await engine.pass_time()
    await engine.work()
    assert (await engine.job(made)).reason == "exhausted"
    await looked(watch)
    await looked(watch)
    assert await payment_alerts(engine) == [(str(made), False)]
    [message] = await messages(engine)
    assert "uncertain_payment" in [item["kind"] for item in message["items"]]
    await engine.retry(made, decided=True)
    await alarms.look()
    assert await payment_alerts(engine) == [(str(made), True)]


async def test_a_payment_in_doubt_that_is_cancelled_is_told_and_over(
    watch: Watch, server: shop.Server
) -> None:
    """Nobody looks at a cancelled job again, so somebody is told; nothing can be decided, so nobody is reminded."""
    engine, alarms = watch
    server.answers = [server.do_and_vanish]
    made = await engine.submit("test_alerts.keep_paying")
    await engine.work()
    await engine.hub.operate.cancel(engine.principal, made)
    assert (await engine.job(made)).state == "cancelled"
    await looked(watch)
    await alarms.look()
    assert await payment_alerts(engine) == [(str(made), True)]
    [message] = await messages(engine)
    assert message["title"] == "test_alerts.keep_paying: money may have moved"


async def test_what_ends_with_no_payment_in_doubt_is_no_such_alert(watch: Watch, server: shop.Server) -> None:
    """A refusal is an answer."""
    engine, alarms = watch
    server.answers = [shop.says(400, {"error": "no"})]
    made = await engine.submit("test_alerts.keep_paying")
    await engine.work()
    assert (await engine.job(made)).state == "failed"
    await alarms.look()
    assert await payment_alerts(engine) == []


async def test_what_ends_during_a_look_is_for_the_next_one(watch: Watch, server: shop.Server) -> None:
    """However long that look takes once it has asked for payments."""
    engine, _ = watch
    hub, made = engine.hub, list[UUID]()

    async def meanwhile() -> list[str]:
        server.answers = [server.do_and_vanish]
        made.append(await engine.submit("test_alerts.pay"))
        await engine.work()
        return []

    store = AlarmStore(hub.database)
    await Alarms(
        store,
        AlertStore(hub.database),
        hub.telling,
        hub.config.alerts.rules,
        depths=DepthStore(hub.database),
        open_breakers=meanwhile,
        queue=hub.queue,
        new_id=hub.new_id,
    ).look()
    [row] = await engine.sql(
        "SELECT j.settled_at > m.upto AS ahead FROM jobs j, marks m WHERE j.id = :id AND m.name = 'alerts.payments'",
        id=made[0],
    )
    assert row.ahead
    assert [finding.subject for finding in await store.payments()] == [str(made[0])]


async def test_an_end_that_comes_while_a_message_is_made_is_told_afterwards(watch: Watch) -> None:
    """The message says that it is there, so nobody was told that it is over."""
    engine, alarms = watch
    redis, now = engine.hub.queue.redis, await engine.hub.queue.redis.time()
    await redis.zadd("hub:breakers", {"shop": (now[0] + 15) * 1000})
    await alarms.look()
    await redis.zrem("hub:breakers", "shop")
    await later(engine, GATHER)
    async with engine.hub.database.transaction() as other:
        # Jobs are made after alerts are read and before they are marked.
        await other.execute(text("LOCK TABLE jobs IN SHARE MODE"))
        telling = asyncio.create_task(
            AlertStore(engine.hub.database).tell(
                timedelta(0), lambda _: True, engine.hub.telling.jobs, heard=True
            )
        )
        waiting = text(
            "SELECT count(*) FROM pg_locks WHERE relation = CAST('jobs' AS regclass) AND NOT granted"
        )
        await until(lambda: other.scalar(waiting))
        await other.execute(text("UPDATE alerts SET resolved_at = now()"))
    assert await telling == 1
    await looked(watch, after=GAP)
    assert [message["title"] for message in await messages(engine)] == [
        "shop is not called",
        "over: shop is not called",
    ]


async def test_a_breaker_that_opens_and_closes_is_one_episode(watch: Watch) -> None:
    """Told when it opens, again only when it has been well for a while: that it is over."""
    engine, _ = watch
    redis, now = engine.hub.queue.redis, await engine.hub.queue.redis.time()
    listed = {"shop": (now[0] + 15) * 1000}
    for _ in range(3):
        await redis.zadd("hub:breakers", listed)
        await looked(watch)
        await redis.zrem("hub:breakers", "shop")
        await looked(watch)
    assert [message["title"] for message in await messages(engine)] == ["shop is not called"]
    await looked(watch, after=CALM)
    await looked(watch)
    assert [message["title"] for message in await messages(engine)][1:] == ["over: shop is not called"]
    [episode] = (await engine.hub.alerts.list_all(past=True)).items
    assert episode.count >= 3
    assert await engine.hub.alerts.open() == []


async def test_a_breaker_that_a_person_holds_is_no_alert(watch: Watch) -> None:
    """They know."""
    engine, _ = watch
    now = await engine.hub.queue.redis.time()
    await engine.hub.queue.redis.zadd("hub:breakers", {"shop": (now[0] + 15) * 1000})
    await engine.hub.fleet.force(engine.principal, "shop", Forced.CLOSED, reason="they are well")
    await looked(watch)
    assert await messages(engine) == []


async def test_what_lasts_is_told_again_now_and_then(watch: Watch) -> None:
    """Not more often than was configured."""
    engine, _ = watch
    await failing(engine, "broken")
    await looked(watch)
    await looked(watch, after=timedelta(hours=3))
    assert len(await messages(engine)) == 1
    await looked(watch, after=timedelta(hours=2))
    assert [message["title"] for message in await messages(engine)][1:] == [
        "still: test_alerts.fail fails: broken"
    ]


async def test_several_that_look_at_once_tell_once(watch: Watch) -> None:
    """One alert, one job for each channel: what is told and the jobs that tell it are one transaction."""
    engine, alarms = watch
    await failing(engine, "broken")
    others = [make_alarms(engine.hub) for _ in range(4)]
    await asyncio.gather(*[one.look() for one in (alarms, *others)])
    await later(engine, GATHER)
    await asyncio.gather(*[one.look() for one in (alarms, *others)])
    assert len(await messages(engine)) == 1
    assert len(await engine.hub.alerts.open()) == 1


async def test_jobs_that_tell_alerts_raise_none(watch: Watch) -> None:
    """A channel that does not work would be told of in that channel, for ever."""
    engine, _ = watch
    await failing(engine, "broken")
    await looked(watch)
    # Slack says that there is no such webhook, which will not pass by itself.
    await engine.sql(
        "UPDATE error_groups SET job = 'alerts.to_slack', signature = 'own', first_seen_at = now()"
    )
    await engine.sql("UPDATE alerts SET subject = 'own'")
    before = len(await messages(engine))
    await looked(watch, after=GAP)
    assert len(await messages(engine)) == before


async def test_without_a_channel_alerts_are_kept_and_shown(start: Start) -> None:
    """A test says what to set."""
    engine = await start(fail, *ALERTS, providers=PROVIDERS)
    alarms = make_alarms(engine.hub)
    await alarms.begin()
    await failing(engine, "broken")
    await looked((engine, alarms))
    [alert] = await engine.hub.alerts.open()
    assert (alert.deliveries, alert.told_at is not None) == (0, True)
    with pytest.raises(Conflict, match="HUB_SLACK_WEBHOOK_URL"):
        await engine.hub.alerts.test(engine.principal)


async def test_whoever_configures_a_channel_is_told_once_of_what_is_open(watch: Watch) -> None:
    """Of what came before there was one, and not of what is over; it is no reminder, however long it has lasted."""
    engine, alarms = watch
    silent = Telling((), engine.hub.registry, "", clock=engine.hub.clock, new_id=engine.hub.new_id)
    deaf = make_alarms(replace(engine.hub, telling=silent))
    await failing(engine, "broken", "mended")
    await looked((engine, deaf))
    await looked((engine, deaf), after=timedelta(hours=5))
    await engine.sql("UPDATE error_groups SET state = 'ignored' WHERE code = 'mended'")
    await deaf.look()
    assert await messages(engine) == []
    for _ in range(2):
        await looked((engine, alarms), after=GAP)
    [message] = await messages(engine)
    assert message["title"] == "test_alerts.fail fails: broken"
    [alert] = await engine.hub.alerts.open()
    assert alert.deliveries == 4


async def test_a_test_message_goes_to_every_channel(watch: Watch) -> None:
    """By the same jobs; it is a line in the audit log, and no alert."""
    engine, _ = watch
    tested = await engine.hub.alerts.test(engine.principal)
    assert [channel.channel for channel in tested.channels] == ["slack", "email", "email", "webhook"]
    # The address of an incoming webhook is a secret.
    assert tested.channels[0].to == ""
    [message] = await messages(engine)
    assert "This is a test" in message["title"]
    for row in await engine.sql("SELECT name, args FROM jobs WHERE queue = 'alerts'"):
        engine.hub.registry.jobs[row.name].args.model_validate(row.args)
    [note] = await engine.sql("SELECT detail FROM audit_log WHERE action = 'alerts.test'")
    assert note.detail == {"channels": ["slack", "email", "email", "webhook"]}
    assert await engine.hub.alerts.open() == []


async def test_alerts_are_listed_page_by_page(watch: Watch) -> None:
    """Those that are over apart from those that are not, newest first."""
    engine, alarms = watch
    await failing(engine, "a", "b", "c")
    await alarms.look()
    assert len(await engine.hub.alerts.open()) == 3
    await engine.sql("UPDATE error_groups SET state = 'ignored'")
    await alarms.look()
    first = await engine.hub.alerts.list_all(limit=2, past=True)
    rest = await engine.hub.alerts.list_all(limit=2, cursor=first.next_cursor, past=True)
    ids = [alert.id for alert in (*first.items, *rest.items)]
    assert ids == sorted(ids, reverse=True)
    assert (len(ids), rest.next_cursor) == (3, None)


async def test_work_that_waits_longer_and_longer_is_told(start: Start) -> None:
    """When it is over the limit and nothing gets better; the jobs that tell alerts do not count."""
    engine = await start(
        fail, *ALERTS, providers=PROVIDERS, environ={**CHANNELS, "HUB_ALERTS_OLDEST_DUE": "60"}
    )
    alarms = make_alarms(engine.hub, compare_after=0.0)
    await alarms.begin()
    await engine.submit("test_alerts.fail")
    await engine.hub.alerts.test(engine.principal)
    await engine.sql("UPDATE jobs SET run_at = now() - interval '61 seconds'")
    await looked((engine, alarms))
    await looked((engine, alarms))
    assert "due work of default waits for longer and longer" in [
        one["title"] for one in await messages(engine)
    ]
    assert [alert.subject for alert in await engine.hub.alerts.open()] == ["default"]
