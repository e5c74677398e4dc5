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
from uuid import UUID

import pytest

from hub.registry import load
from tests.jobs.checkout import ASKING, Checkout, open_checkout
from tests.simulators.processes import running
from tests.until import until

THANKS, SORRY = "Your receipt for", "We could not complete"
SENT = "email SEND mail"
Turn = Callable[[Checkout, UUID], Awaitable[None]]


@dataclass(slots=True)
class Victim:
    """A worker as it is seen from here."""

    pid: int
    actions: list[str] = field(default_factory=list)
    gone: bool = False


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
    victim.gone = True


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


async def killed_everywhere(checkout: Checkout, victims: Victims, turn: Turn, judge: Turn) -> None:
    """Let one order go well; then kill the worker of one order after the other, each an action later."""
    actions = await lived(checkout, victims, turn, judge, None)
    assert actions.count("stripe POST /v1/payment_intents") == 1
    wrong = []
    for last, action in enumerate(actions, 1):
        try:
            assert len(await lived(checkout, victims, turn, judge, last)) == last
        except AssertionError as error:
            wrong.append(f"killed after action {last} of {len(actions)}, {action}: {error}")
    assert not wrong, "\n\n".join(wrong)


async def lived(
    checkout: Checkout, victims: Victims, turn: Turn, judge: Turn, dies_after: int | None
) -> list[str]:
    """One order, from its submission to its end, whoever brings it there; gives what the victim did."""
    order = await checkout.order(ASKING)
    async with victims.one(checkout, dies_after) as victim:

        async def goes_on() -> bool:
            await turn(checkout, order)
            return victim.gone or await is_over(checkout)

        await until(goes_on, within=20)
    await lapse(checkout, victim)

    async def goes_on_elsewhere() -> bool:
        await checkout.engine.relay.sweep()
        await checkout.work()
        await turn(checkout, order)
        await checkout.engine.pass_time()
        return await is_over(checkout)

    await until(goes_on_elsewhere, within=10)
    await judge(checkout, order)
    return victim.actions


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


async def ends_paid(checkout: Checkout, order: UUID) -> None:
    """Whatever has happened."""
    assert (await checkout.engine.job(order)).state == "succeeded"
    happened = checkout.happened(order)
    assert (happened["created"], happened["held"], happened["captured"], happened["canceled"]) == (1, 1, 1, 0)
    receipt, later = await checkout.letters(order)
    assert later.state == "scheduled"
    if receipt.state == "succeeded":
        assert checkout.mails(order) == [THANKS]
    else:
        assert (receipt.state, receipt.reason) == ("failed", "uncertain")
        assert checkout.mails(order) in ([], [THANKS])


async def ends_taken_back(checkout: Checkout, order: UUID) -> None:
    """Whatever has happened."""
    row = await checkout.engine.job(order)
    happened = checkout.happened(order)
    assert (happened["created"], happened["captured"], happened["canceled"]) == (1, 0, 1)
    assert not await checkout.letters(order)
    if row.reason == "uncertain":
        assert checkout.mails(order) in ([], [SORRY])
    else:
        assert checkout.mails(order) == [SORRY]
