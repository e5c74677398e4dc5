"""From the trouble to whoever is told: each kind of alert over each channel, by the hub's own jobs and over real sockets."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from hub import Args, Backoff, Fail, JobContext, job
from hub.bootstrap import Surroundings, make_alarms
from hub.domain.alerts import GAP, GATHER
from hub.infra.breaker_sharing import BreakerSharing
from hub.registry import Registry, load
from hub.web.server import running
from tests.browser.desk import Known
from tests.services import shop
from tests.services.engine import Engine, engine
from tests.services.shop import Order
from tests.services.test_alerts import later
from tests.simulators.mailbox import running as running_mailbox
from tests.simulators.serving import serving

SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="
HUB = load()
ALERTS = [spec for name, spec in HUB.jobs.items() if name.startswith("alerts.")]
PROVIDERS = (shop.shop, shop.once, *(HUB.providers[name] for name in ("slack", "email", "http")))
OPERATIONS = tuple(
    operation
    for operation in HUB.operations.values()
    if operation.provider.name in {"slack", "email", "http"}
)


class Nothing(Args):
    pass


@job(queue="default")
async def fail(_ctx: JobContext, _args: Nothing) -> None:
    raise Fail("it cannot be done", code="broken")


@job(queue="default")
async def pay(ctx: JobContext, args: Order) -> shop.Done:
    return await ctx.call(shop.charge_once, item=args.item)


@job(queue="default", retry=Backoff(attempts=50, base=timedelta(milliseconds=1)))
async def wrap(ctx: JobContext, args: Order) -> shop.Done:
    return await ctx.call(shop.wrap, item=args.item)


@job(queue="slow")
async def wait(_ctx: JobContext, _args: Nothing) -> None:
    """Nobody comes to it in time."""


@dataclass(slots=True)
class Outside:
    """Two providers that do not do well, and two receivers of alerts."""

    slack: list[Any] = field(default_factory=list)
    hooks: list[Any] = field(default_factory=list)

    async def unwell(self, _request: web.Request) -> web.Response:
        return web.Response(status=503)

    async def vanish(self, request: web.Request) -> web.Response:
        """The charge has arrived, and nobody hears of it again."""
        await request.read()
        assert request.transport
        request.transport.abort()
        return web.Response()

    async def to_slack(self, request: web.Request) -> web.Response:
        self.slack.append(await request.json())
        return web.Response(text="ok")

    async def to_hook(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.hooks.append(Webhook(SECRET).verify(await request.read(), headers))
        return web.Response(status=204)

    def application(self) -> web.Application:
        """All of them."""
        made = web.Application()
        made.router.add_post("/wraps", self.unwell)
        made.router.add_post("/charges", self.vanish)
        made.router.add_post("/services/T0/B0/xyz", self.to_slack)
        made.router.add_post("/hooks", self.to_hook)
        return made


@asynccontextmanager
async def hub_at(site: str, outside: str, smtp_port: int, stores: tuple[str, str]) -> AsyncIterator[Engine]:
    environ = {
        "HUB_SHOP_BASE_URL": outside,
        "HUB_SHOP_ONCE_BASE_URL": outside,
        "HUB_SLACK_BASE_URL": outside,
        "HUB_SLACK_WEBHOOK_URL": f"{outside}/services/T0/B0/xyz",
        "HUB_ALERTS_EMAIL_TO": "oncall@example.com",
        "HUB_EMAIL_BASE_URL": f"smtp://127.0.0.1:{smtp_port}",
        "HUB_EMAIL_FROM": "hub@example.com",
        "HUB_ALERTS_WEBHOOK_URL": f"{outside}/hooks",
        "HUB_HTTP_SIGNING_SECRET": SECRET,
        "HUB_HTTP_ALLOW_PRIVATE": "1",
        "HUB_ALERTS_OLDEST_DUE": "60",
        "HUB_PUBLIC_URL": site,
    }
    registry = Registry.of(
        providers=PROVIDERS, sources=(), jobs=(fail, pay, wrap, wait, *ALERTS), operations=OPERATIONS
    )
    async with engine(registry, *stores, Surroundings(), environ) as made:
        yield made


@pytest.fixture
def port() -> Iterator[int]:
    """A port that nobody else is given, and on which one may listen later."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


async def trouble(made: Engine) -> str:
    """One of each kind; gives the id of the payment's job."""
    sharing = BreakerSharing(made.hub.breakers, made.hub.queue.redis)
    await made.submit("test_alerts_arrive.fail")
    payment = await made.submit("test_alerts_arrive.pay")
    await made.submit("test_alerts_arrive.wrap")
    while made.hub.breakers.of("shop").state != "open":
        await made.work()
        await made.pass_time()
    await sharing.exchange()
    await made.submit("test_alerts_arrive.wait")
    await made.sql("UPDATE jobs SET run_at = now() - interval '61 seconds' WHERE queue = 'slow'")
    return str(payment)


@pytest.mark.timeout(60)
async def test_each_kind_of_alert_arrives_over_each_channel_and_leads_to_its_page(
    database_url: str, redis_url: str, port: int
) -> None:
    """A new cause of failure, a breaker that opens, work that waits longer and longer, a payment that is uncertain."""
    outside, site = Outside(), f"http://127.0.0.1:{port}"
    async with (
        running_mailbox() as mailbox,
        serving(outside.application()) as url,
        hub_at(site, url, mailbox.smtp_port, (database_url, redis_url)) as made,
    ):
        alarms = make_alarms(made.hub, compare_after=0.0)
        await alarms.begin()
        payment = await trouble(made)
        for after in (GATHER, GAP):
            await alarms.look()
            await later(made, after)
        await alarms.look()
        while await made.sql("SELECT id FROM jobs WHERE queue = 'alerts' AND state <> 'succeeded'"):
            await made.pass_time()
            await made.work()
        items = [item for hook in outside.hooks for item in hook["data"]["items"]]
        [cause] = await made.sql("SELECT signature FROM error_groups WHERE code = 'broken'")
        pages = {
            "new_error": f"{site}/console/inbox/{cause.signature}",
            "uncertain_payment": f"{site}/console/jobs/{payment}",
            "breaker_open": f"{site}/console/providers/shop",
            "work_waits": f"{site}/console/queues/slow",
        }
        assert pages.items() <= {(item["kind"], item["url"]) for item in items}
        mails, slacks = "".join(mail.text for mail in mailbox.mails.kept), str(outside.slack)
        async with (
            running(made.hub, "127.0.0.1", port, reuse_port=True, visitors=Known()),
            aiohttp.ClientSession() as visitor,
        ):
            for item in items:
                assert item["url"] in mails
                assert item["url"] in slacks
                async with visitor.get(item["url"], allow_redirects=False) as page:
                    assert page.status == 200
                    assert "<main" in await page.text()
