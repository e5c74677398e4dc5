"""An order whose worker is killed, by SIGKILL, after every single thing that it does: it always ends right.

What a worker does on each way an order can go is found out by a run in which nobody dies. So a step that is added to the
job, or a write that is added to the hub, is covered without an edit here.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hub.registry import load
from tests.jobs.checkout import ASKING, Checkout, open_checkout
from tests.simulators.processes import running
from tests.until import until

THANKS, SORRY = "Your receipt for", "We could not complete"
SENT = "email SEND mail"
Turn = Callable[[Checkout, UUID], Awaitable[None]]
Judge = Callable[[Checkout, UUID], Awaitable[bool]]


@dataclass(slots=True)
class Victim:
    """A worker as it is seen from here."""

    pid: int
    actions: list[str] = field(default_factory=list)
    gone: bool = False
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, look: Callable[[], Awaitable[bool]]) -> None:
        """Look whenever it has done something, until there is no need to look further."""
        async with asyncio.timeout(60):
            while not await look():
                await self.told.wait()
                self.told.clear()


@dataclass(frozen=True, slots=True)
class Victims:
    """Where they come from."""

    path: Path

    @asynccontextmanager
    async def one(self, checkout: Checkout, dies_after: int | None) -> AsyncIterator[Victim]:
        """A worker that dies after so many actions, and at the end of the block in any case."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        writer.write(json.dumps({"environ": checkout.environ, "dies_after": dies_after}).encode() + b"\n")
        victim = Victim(int(await reader.readline()))
        listening = asyncio.create_task(_listen(reader, victim))
        try:
            yield victim
        finally:
            if not victim.gone:
                os.kill(victim.pid, signal.SIGKILL)
            await listening
            writer.close()


async def _listen(reader: asyncio.StreamReader, victim: Victim) -> None:
    async for line in reader:
        victim.actions.append(line.decode().strip())
        victim.told.set()
    victim.gone = True
    victim.told.set()


@pytest.fixture(scope="module")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victims]:
    """The process that forks them."""
    path = tmp_path_factory.mktemp("victims") / "socket"
    argv = [sys.executable, "-m", "tests.processes.victims", str(path)]
    with running(argv, ready=lambda child: child.wait_for_line("^ready")):
        yield Victims(path)


@pytest.fixture
async def checkout(database_url: str, redis_url: str) -> AsyncIterator[Checkout]:
    """Open for orders; a worker of its own is idle until it is told to work."""
    # What else a webhook starts would be done beside the order, and no two runs would be the same.
    async with open_checkout(replace(load(), subscriptions={}), database_url, redis_url) as made:
        yield made


async def test_an_order_that_is_paid(checkout: Checkout, victims: Victims) -> None:
    """One hold, one capture, no void; one receipt, or word that nobody knows about it."""
    await killed_everywhere(checkout, victims, customer_says_yes, ends_paid)


async def test_an_order_whose_capture_is_declined(checkout: Checkout, victims: Victims) -> None:
    """One hold, no capture, one void; one apology, or word that nobody knows about it."""
    checkout.block_captures()
    await killed_everywhere(checkout, victims, customer_says_yes, ends_taken_back)


async def test_an_order_that_is_cancelled_while_it_waits(checkout: Checkout, victims: Victims) -> None:
    """No hold, no capture, one cancellation at the bank; one apology, or word that nobody knows about it."""
    await killed_everywhere(checkout, victims, operator_cancels, ends_taken_back)


async def test_an_order_whose_worker_dies_while_stripe_is_at_work(
    checkout: Checkout, victims: Victims
) -> None:
    """It is done after the worker's death, while the next one asks for the same under the same key: once all the same."""
    await killed_while_at_work(checkout, victims, "", customer_says_yes, ends_paid)
    await killed_while_at_work(checkout, victims, "/[^/]+/capture", customer_says_yes, ends_paid)
    await killed_while_at_work(checkout, victims, "/[^/]+/cancel", operator_cancels, ends_taken_back)


async def killed_everywhere(checkout: Checkout, victims: Victims, turn: Turn, judge: Judge) -> None:
    """Let one order go well; then kill the worker of one order after the other, each an action later."""
    actions, _ = await lived(checkout, victims, turn, judge, None)
    assert actions.count("stripe POST /v1/payment_intents") == actions.count(SENT) == 1
    last_acts = set()
    for last in range(1, len(actions) + 1):
        try:
            acts, doubted = await lived(checkout, victims, turn, judge, last)
            # Of a mail whose sending is on record, and no answer. Nowhere else does anybody have to ask.
            assert doubted == (len(acts) == last and acts[-1] in {f"record sending {SENT}", SENT})
            last_acts.add(acts[-1])
        except AssertionError as error:
            # What is left of this order would be taken for the next one's.
            raise AssertionError(f"killed after action {last}, {actions[last - 1]}") from error
    assert last_acts >= set(actions)


async def lived(
    checkout: Checkout, victims: Victims, turn: Turn, judge: Judge, dies_after: int | None
) -> tuple[list[str], bool]:
    """One order, from its submission to its end; gives what the victim did, and whether its mail is in doubt."""
    order = await checkout.order(ASKING)
    async with victims.one(checkout, dies_after) as victim:

        async def is_done() -> bool:
            await turn(checkout, order)
            return victim.gone or await is_over(checkout)

        await victim.watch(is_done)
    await brought_to_its_end(checkout, victim, order, turn)
    return victim.actions, await judge(checkout, order)


async def killed_while_at_work(
    checkout: Checkout, victims: Victims, path: str, turn: Turn, judge: Judge
) -> None:
    """Have Stripe think about one request for so long that its worker is dead, and the next has asked, before it acts."""
    stripe = checkout.stripe.simulator
    begun = stripe.account.counts["delayed"] + 1
    checkout.fault({"delay": 60}, path)
    order = await checkout.order(ASKING)
    async with victims.one(checkout, None) as victim:

        async def is_thinking() -> bool:
            await turn(checkout, order)
            return stripe.account.counts["delayed"] == begun

        await until(is_thinking, within=60)
    await lapse(checkout, victim)
    await checkout.engine.relay.rescue()
    await checkout.work()
    row = await checkout.engine.job(order)
    assert (row.state, row.error_code) == ("retrying", "idempotency_key_in_use")
    stripe.endpoints.release_stalled()
    await brought_to_its_end(checkout, victim, order, turn)
    assert not await judge(checkout, order)


async def brought_to_its_end(checkout: Checkout, victim: Victim, order: UUID, turn: Turn) -> None:
    """By the worker of this process, once the other one's lease has lapsed."""
    await lapse(checkout, victim)

    async def is_brought() -> bool:
        await checkout.engine.relay.sweep()
        await checkout.work()
        await turn(checkout, order)
        await checkout.engine.pass_time()
        return await is_over(checkout)

    await until(is_brought, within=60)


async def is_over(checkout: Checkout) -> bool:
    """Whether all is done that can be done today."""
    open_jobs = "SELECT 1 FROM jobs WHERE settled_at IS NULL AND state <> 'scheduled' LIMIT 1"
    return not await checkout.engine.sql(open_jobs)


async def lapse(checkout: Checkout, victim: Victim) -> None:
    """Let the lease of the dead lapse now, and not in some seconds."""
    await checkout.engine.sql("UPDATE workers SET lease_until = now() WHERE pid = :pid", pid=victim.pid)
    await checkout.engine.store.heartbeat(timedelta(minutes=1))


async def customer_says_yes(checkout: Checkout, order: UUID) -> None:
    """As soon as the job waits for it."""
    if (await checkout.engine.job(order)).state == "waiting" and checkout.payment(order)[
        "status"
    ] == "requires_action":
        await checkout.customer_says(order, yes=True)


async def operator_cancels(checkout: Checkout, order: UUID) -> None:
    """As soon as the job waits for its customer."""
    if (await checkout.engine.job(order)).state == "waiting":
        await checkout.engine.hub.operate.cancel(checkout.engine.principal, order)


async def ends_paid(checkout: Checkout, order: UUID) -> bool:
    """Whatever has happened; gives whether nobody knows about the receipt."""
    assert (await checkout.engine.job(order)).state == "succeeded"
    happened = checkout.happened(order)
    assert (happened["created"], happened["held"], happened["captured"], happened["canceled"]) == (1, 1, 1, 0)
    receipt, later = await checkout.letters(order)
    assert later.state == "scheduled"
    return in_doubt(receipt, checkout.mails(order), THANKS, "succeeded")


async def ends_taken_back(checkout: Checkout, order: UUID) -> bool:
    """Whatever has happened; gives whether nobody knows about the apology."""
    happened = checkout.happened(order)
    assert (happened["created"], happened["captured"], happened["canceled"]) == (1, 0, 1)
    assert not await checkout.letters(order)
    row = await checkout.engine.job(order)
    return in_doubt(row, checkout.mails(order), SORRY, "failed", "cancelled")


def in_doubt(job: Any, mails: list[str], expected: str, *ends: str) -> bool:
    """Whether the job says that nobody knows about its mail. If it does not, there is exactly one; never are there two."""
    if job.reason == "uncertain":
        assert job.state == "failed"
        assert mails in ([], [expected])
        return True
    assert job.state in ends
    assert mails == [expected]
    return False
