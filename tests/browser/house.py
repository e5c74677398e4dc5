"""A hub with something to see on every page and something to do behind every button, and an admin who has logged in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import httpx

from hub import Args, Provider, Result, bootstrap, config
from hub.bootstrap import Surroundings
from hub.domain.access import Principal, Role
from hub.domain.overrides import Forced
from hub.domain.plans import Action, Command, Settings
from hub.domain.views import Listed, NewView
from hub.registry import Registry, load
from hub.services.edits import Wanted
from hub.services.hub import Hub
from hub.services.plans import PlanRequest
from tests.browser.furniture import A_DAY, charge_in_doubt, delivery, groups, refused
from tests.services.people import CHEAP, somebody
from tests.web.conftest import ENVIRONMENT
from tests.web.registry import bank, book, send_receipt, ship, shop

CHANNELS = {
    "HUB_ALERTS_WEBHOOK_URL": "https://example.com/hooks",
    "HUB_HTTP_SIGNING_SECRET": "whsec_c2VjcmV0",
    "HUB_EDITS_NEED_APPROVAL": "yes",
}


class Nothing(Args):
    """What a probe needs."""


class Well(Result):
    """What it gives."""

    well: bool


carrier = Provider("carrier", base_url="https://carrier.example")
ask = carrier.operation("GET", "/health", Nothing, Well, probe=True)
_ALL = load()
REGISTRY = Registry.of(
    providers=[bank, carrier, _ALL.providers["http"]],
    operations=[ask],
    sources=[shop],
    jobs=[
        send_receipt,
        ship,
        book,
        *(spec for name, spec in _ALL.jobs.items() if name == "alerts.to_webhook"),
    ],
)


@dataclass(frozen=True, slots=True)
class House:
    """What there is in it, by its ids.

    Attributes:
        admin: who looks.
        other: another operator, who may log in.
        signature: a group of failures, in the inbox.
        covered: a failed job that a retry does no harm to.
        doubted: one that may have been done.
        queued: one that waits.
        edited, rejected: failed jobs whose arguments another operator wants to change.
        event: a webhook that started a charge.
        delivery: one of a source that is known here.
        draft, running, over: plans.
        view: a search that is kept.
    """

    admin: UUID
    other: UUID
    signature: str
    covered: UUID
    doubted: UUID
    queued: UUID
    edited: UUID
    rejected: UUID
    event: UUID
    delivery: UUID
    draft: UUID
    running: UUID
    over: UUID
    view: UUID


@asynccontextmanager
async def built(database_url: str, redis_url: str) -> AsyncIterator[Hub]:
    """The hub, with nothing in it yet; its providers answer that they are well."""
    settings = config.load(
        {**ENVIRONMENT, **CHANNELS}, sources=REGISTRY.sources, providers=REGISTRY.providers
    )
    answers = httpx.MockTransport(lambda _request: httpx.Response(200, json={"well": True}))
    around = Surroundings(password_cost=CHEAP, transport=answers)
    async with bootstrap.build(
        settings, REGISTRY, database_url=database_url, redis_url=redis_url, surroundings=around
    ) as hub:
        await bootstrap.know_queues(hub)
        yield hub


async def furnished(hub: Hub, database_url: str) -> House:
    """A day's work, failures of every kind, plans in every state, and people."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(A_DAY)
    await connection.close()
    admin = await somebody(hub, role=Role.ADMIN)
    other = await somebody(hub, "grace@example.com")
    ada = Principal.of_operator(admin.id, admin.email, Role.ADMIN)
    grace = Principal.of_operator(other.id, other.email, Role.OPERATOR)
    hub.breakers.of("bank").open_until(hub.breakers.clock() + 60)
    await hub.fleet.force(ada, "bank", Forced.OPEN, reason="announced maintenance")
    long = "the_endless_name_of_something_" * 6
    [signature, *_] = await groups(hub, ["Your card was declined.", long])
    covered, event = await charge_in_doubt(hub)
    doubted, _ = await charge_in_doubt(hub, hours=30)
    queued, _ = await charge_in_doubt(hub)
    await hub.operate.retry(ada, queued)
    mistaken = [await refused(hub) for _ in range(2)]
    right = Wanted(args={"to": "jenny@example.com", "amount": 5}, reason="a typing error")
    for job in mistaken:
        await hub.edits.edit(grace, job, right)
    wanted = PlanRequest(Action.RETRY, "state:failed", Settings(canary=1, rate=1))
    draft, running, over = [await hub.plans.create(ada, wanted) for _ in range(3)]
    await hub.plans.command(ada, running.id, Command.START)
    await hub.plans.command(ada, over.id, Command.START)
    await hub.plans.command(ada, over.id, Command.ABORT)
    view = await hub.views.create(ada, NewView("Declined cards", Listed.JOBS, "code:card_declined"))
    return House(
        admin=admin.id, other=other.id, signature=signature, covered=covered, doubted=doubted, queued=queued,
        edited=mistaken[0], rejected=mistaken[1], event=event, delivery=await delivery(hub), draft=draft.id, running=running.id, over=over.id,
        view=view.id,
    )  # fmt: skip
