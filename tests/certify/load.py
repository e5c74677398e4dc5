"""The clients: they send at a steady pace, and send again until a 2xx, as payment providers and careful applications do."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

import aiohttp

from hub import Sample, Source
from tests.certify.schedule import Habit, Input, Planned, Schedule
from tests.certify.stage import SECRET
from tests.certify.work import APPROVAL_TYPE, EVENT_TYPE
from webhooks import github, standard, stripe

DEADLINE = 90.0  # seconds after which a client gives up
_ONE_TRY = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_TO_BE_TRIED_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_SOURCES: Mapping[str, Source] = {
    "stripe": stripe.source,
    "github": github.source,
    "standard": standard.source,
}


@dataclass(frozen=True, slots=True)
class Try:
    """One request; times in Unix seconds. `status` is None where there was no answer."""

    web: int
    began: float
    ended: float
    status: int | None
    answer: str = ""


@dataclass(slots=True)
class Sent:
    """An input as its client saw it.

    Attributes:
        acknowledged: when the first 2xx arrived; None if none did.
        answers: the ids that 2xx answers named.
        refused: an answer that no client would try again.
    """

    planned: Planned
    reference: str
    tries: list[Try] = field(default_factory=list)
    acknowledged: float | None = None
    answers: list[str] = field(default_factory=list)
    refused: str = ""

    @property
    def first_sent(self) -> float:
        """Unix seconds."""
        return self.tries[0].began


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request, made anew for every try as its signature is."""

    path: str
    headers: Mapping[str, str]
    body: bytes


Prepare = Callable[["Sent", str], Prepared]


class Clients:
    """All clients of a run."""

    def __init__(self, schedule: Schedule, ports: Sequence[int], key: str) -> None:
        self.sent: list[Sent] = []
        self.began = 0.0
        self._schedule = schedule
        self._ports = ports
        self._key = key
        self._rng = Random(schedule.seed)

    @property
    def acknowledged(self) -> int:
        """How many inputs have their 2xx."""
        return sum(sent.acknowledged is not None for sent in self.sent)

    async def run(self) -> None:
        """Send everything that is planned; returns when every client has its 2xx or has given up."""
        connector = aiohttp.TCPConnector(limit=500)
        timeout = aiohttp.ClientTimeout(total=_ONE_TRY)
        loop = asyncio.get_running_loop()
        start, self.began = loop.time(), time.time()
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            for planned in self._schedule.inputs:
                await asyncio.sleep(max(0.0, start + planned.at - loop.time()))
                sent = Sent(planned, reference_of(self._schedule.seed, planned.number))
                self.sent.append(sent)
                group.create_task(self._client(session, sent))

    async def _client(self, session: aiohttp.ClientSession, sent: Sent) -> None:
        if sent.planned.habit is Habit.CUT:
            await self._cut(session, sent)
        await self._until_acknowledged(session, sent)
        if sent.planned.habit is Habit.NERVOUS and sent.acknowledged:
            # Acknowledged or not, it must be the same one; so this one, too, is sent until it is answered.
            await self._until_acknowledged(session, sent)
        if sent.planned.kind is Input.APPROVED and sent.acknowledged:
            await self._approve(session, sent)

    async def _approve(self, session: aiohttp.ClientSession, sent: Sent) -> None:
        """The webhook that the job waits for: sent, as every webhook is, until it is acknowledged."""
        await asyncio.sleep(sent.planned.approves)
        approval = Sent(sent.planned, sent.reference)
        await self._until_acknowledged(session, approval, approve)
        if not approval.acknowledged:
            sent.refused = f"its approval was never acknowledged: {approval.refused or 'no 2xx'}"

    async def _cut(self, session: aiohttp.ClientSession, sent: Sent) -> None:
        began = time.time()
        try:
            async with asyncio.timeout(sent.planned.hangs_up):
                await self._send(session, sent, 0, prepare)
        except TimeoutError:
            sent.tries.append(Try(sent.planned.number % len(self._ports), began, time.time(), None))

    async def _until_acknowledged(
        self, session: aiohttp.ClientSession, sent: Sent, how: Prepare | None = None
    ) -> None:
        deadline = time.time() + DEADLINE
        for number in range(1000):
            last, retry_after = await self._send(session, sent, number, how or prepare)
            if last.status is not None and last.status < 300:
                return
            if last.status is not None and last.status not in _TO_BE_TRIED_AGAIN:
                sent.refused = f"{last.status} {last.answer[:200]}"
                return
            if time.time() > deadline:
                return
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(number, 10)) * self._rng.uniform(0.5, 1.0)
            await asyncio.sleep(max(pause, retry_after))

    async def _send(
        self, session: aiohttp.ClientSession, sent: Sent, number: int, how: Prepare
    ) -> tuple[Try, float]:
        """One try, each at another web process than the last; gives it, and the seconds that it was asked to wait."""
        web = (sent.planned.number + number) % len(self._ports)
        request = how(sent, self._key)
        url = f"http://127.0.0.1:{self._ports[web]}{request.path}"
        began, retry_after = time.time(), 0.0
        try:
            async with session.post(url, data=request.body, headers=request.headers) as response:
                answer = await response.text()
                retry_after = _seconds(response.headers.get("Retry-After"))
                last = Try(web, began, time.time(), response.status, answer)
        except (aiohttp.ClientError, TimeoutError, OSError):
            last = Try(web, began, time.time(), None)
        sent.tries.append(last)
        if last.status is not None and last.status < 300:
            _note(sent, last)
        return last, retry_after


def _note(sent: Sent, last: Try) -> None:
    document = json.loads(last.answer)
    sent.answers.append(document.get("event_id") or document["id"])
    sent.acknowledged = sent.acknowledged or last.ended


def _seconds(retry_after: str | None) -> float:
    return min(float(retry_after), 10.0) if retry_after and retry_after.isdigit() else 0.0


def reference_of(seed: int, number: int) -> str:
    """By which an input is known to everybody."""
    return f"certify-{seed}-{number}"


def prepare(sent: Sent, key: str) -> Prepared:
    """The request of an input, signed for this moment if it is a webhook."""
    if sent.planned.kind is Input.EVENT:
        return _event(sent.planned.source, sent.reference, EVENT_TYPE, sent.reference)
    job, args = _submission(sent)
    headers = {
        "Authorization": f"Bearer {key}",
        "Idempotency-Key": sent.reference,
        "Content-Type": "application/json",
    }
    return Prepared("/v1/jobs", headers, json.dumps({"job": job, "args": args}).encode())


def approve(sent: Sent, _key: str) -> Prepared:
    """The webhook that a job of this input waits for."""
    return _event("standard", f"{sent.reference}-approved", APPROVAL_TYPE, sent.reference)


def _submission(sent: Sent) -> tuple[str, dict[str, object]]:
    match sent.planned.kind:
        case Input.CHARGE:
            card = {"amount": 1999, "currency": "eur", "payment_method": "pm_card_visa"}
            return "payments.charge", {**card, "description": sent.reference}
        case Input.LETTER:
            return "work.send_letter", {"reference": sent.reference}
        case Input.APPROVED:
            return "work.charge_and_send_when_approved", {"reference": sent.reference}
        case _:
            return "work.charge_and_send", {"reference": sent.reference}


def _event(name: str, event_id: str, event_type: str, reference: str) -> Prepared:
    source, action = _SOURCES[name], event_type.partition(".")[2]
    body = json.dumps({"id": event_id, "type": event_type, "action": action, "reference": reference}).encode()
    assert source.sign is not None
    headers = source.sign(Sample(event_id, event_type, body, datetime.now(UTC)), SECRET)
    return Prepared(f"/webhooks/{source.name}", {**headers, "Content-Type": "application/json"}, body)
