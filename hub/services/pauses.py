"""Sleeping, and waiting for events: the job gives its worker back, and its record says what it goes on for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import orjson
from pydantic import BaseModel, ValidationError

from hub.domain.effects import Certainty, StepKind
from hub.domain.encoding import without_nul
from hub.domain.errors import Invalid, StepsChanged, WaitTimedOut
from hub.domain.sources import MAX_IDENTIFIER, Source
from hub.domain.specs import E
from hub.infra.store.steps import RecordedStep
from hub.infra.store.waits import Heard, Wait
from hub.services.attempt import Attempt
from hub.services.misfit import first_misfit

_SLEEP = "sleep"


async def sleep(attempt: Attempt, delay: timedelta, position: int) -> None:
    """Go on after this time, counted from when the step was first reached."""
    with attempt.working():
        recorded = await attempt.find(position, StepKind.SLEEP, _SLEEP)
        until = _until(recorded) if recorded else attempt.now() + delay
        if recorded is None:
            step = attempt.step(position, StepKind.SLEEP, _SLEEP, Certainty.CONFIRMED)
            await attempt.write(step, answer={"until": until})
    if attempt.now() < until:
        await attempt.pause(until)


@dataclass(frozen=True, slots=True)
class Awaited:
    """What a job waits for. `name` is how the ledger calls it."""

    source: str
    types: tuple[str, ...]
    about: str
    timeout: timedelta
    since: datetime | None

    @property
    def name(self) -> str:
        """Such as `wait for stripe:payment_intent.succeeded`."""
        return f"wait for {self.source}:{'|'.join(self.types)}"


def awaited(
    sources: Mapping[str, Source],
    event: str | tuple[str, ...],
    about: object,
    timeout: timedelta,
    since: datetime | None,
) -> Awaited:
    """Read what a job asks for. Raises Invalid where nothing could ever come."""
    events = (event,) if isinstance(event, str) else tuple(event)
    parts = [one.partition(":") for one in events]
    names = {source for source, _, _ in parts}
    if len(names) != 1 or not all(source and kind for source, _, kind in parts):
        raise _invalid(f"{events} must be '<source>:<type>', or several of one source")
    name = names.pop()
    if name not in sources:
        raise _invalid(f"there is no webhook source {name!r}; there are {', '.join(sources) or 'none'}")
    if sources[name].subject is None:
        raise _invalid(f"{name} does not say what its events are about: give its Source a `subject`")
    if not isinstance(about, str) or not 0 < len(about) <= MAX_IDENTIFIER or not about.isprintable():
        raise _invalid(f"`about` must be text of 1 to {MAX_IDENTIFIER} printable characters")
    return Awaited(name, tuple(kind for _, _, kind in parts), about, timeout, since)


def _invalid(message: str) -> Invalid:
    return Invalid(f"this cannot be waited for: {message}", code="invalid_wait")


async def wait_for(attempt: Attempt, what: Awaited, model: type[E], position: int) -> E:
    """Go on when the event is there; see `JobContext.wait_for`."""
    # One at a time, so that two waits of a job do not both take one event for theirs.
    with attempt.working():
        async with attempt.listening:
            recorded = await attempt.find(position, StepKind.WAIT, what.name)
            if recorded and (said := (recorded.answer or {}).get("about")) != what.about:
                raise StepsChanged(position, f"{what.name} about {said}", f"{what.name} about {what.about}")
            if recorded and (over := _over(attempt, recorded)):
                return _replayed(what, model, recorded.step.position, over)
            until = await _begun(attempt, what, recorded, position)
            wait = Wait(position, what.source, what.types, what.about, what.since, await _consumed(attempt))
            heard = await attempt.tools.heard(attempt.claimed.id, wait, until)
            if heard:
                value = _read(heard, what, model)
                await _end(
                    attempt, what, position, {"event": str(heard.id), "value": value.model_dump(mode="json")}
                )
                return value
            if attempt.now() >= until:
                await _end(attempt, what, position, {"timed_out": True})
                raise WaitTimedOut(f"{what.source}:{'|'.join(what.types)}", what.about)
    await attempt.pause(until, wait)
    raise AssertionError  # pragma: no cover - a pause does not return


def _over(attempt: Attempt, recorded: RecordedStep) -> Mapping[str, Any] | None:
    """The record of a wait that has ended. A person who retries what came too late has it waited for anew."""
    answer: Mapping[str, Any] = recorded.answer or {}
    again = "timed_out" in answer and attempt.claimed.generation > recorded.step.generation
    return answer if recorded.step.certainty is Certainty.CONFIRMED and not again else None


async def _begun(attempt: Attempt, what: Awaited, recorded: RecordedStep | None, position: int) -> datetime:
    if recorded and recorded.step.certainty is Certainty.UNKNOWN:
        return _until(recorded)
    until = attempt.now() + what.timeout
    step = attempt.step(position, StepKind.WAIT, what.name, Certainty.UNKNOWN)
    await attempt.write(step, answer={"until": until, "about": what.about}, waiting=True)
    return until


async def _end(attempt: Attempt, what: Awaited, position: int, answer: Mapping[str, Any]) -> None:
    step = attempt.step(position, StepKind.WAIT, what.name, Certainty.CONFIRMED)
    await attempt.write(step, answer={"about": what.about, **answer})
    # For the waits that follow in this attempt.
    (await attempt.recorded())[position] = RecordedStep(step, answer)


async def _consumed(attempt: Attempt) -> tuple[UUID, ...]:
    return tuple(_events(record for record in (await attempt.recorded()).values()))


def _events(records: Iterable[RecordedStep]) -> Iterable[UUID]:
    for record in records:
        if record.step.kind is StepKind.WAIT and (event := (record.answer or {}).get("event")):
            yield UUID(event)


def _until(recorded: RecordedStep) -> datetime:
    return datetime.fromisoformat(recorded.answer["until"])


def _read(heard: Heard, what: Awaited, model: type[E]) -> E:
    kind = cast("type[BaseModel]", model)
    try:
        if heard.body is None:
            raise Invalid(f"the body of event {heard.id} is gone (retention)", code="event_emptied")
        if b"\\u0000" in heard.body:
            # As it will be read from the record, which cannot hold it.
            return cast("E", kind.model_validate(without_nul(orjson.loads(heard.body))))
        return cast("E", kind.model_validate_json(heard.body))
    except ValidationError as error:
        message = f"event {heard.id} does not fit {what.name}: {first_misfit(error)}"
        raise Invalid(message, code="invalid_args") from None


def _replayed(what: Awaited, model: type[E], position: int, answer: Mapping[str, Any]) -> E:
    if "timed_out" in answer:
        raise WaitTimedOut(f"{what.source}:{'|'.join(what.types)}", what.about)
    kind = cast("type[BaseModel]", model)
    try:
        return cast("E", kind.model_validate(answer["value"], by_alias=False, by_name=True))
    except ValidationError:
        raise StepsChanged(position, f"{what.name} with another event", what.name) from None
