"""Changing a job's arguments before it is retried: what changes, and what stands against it."""

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from hub.domain.effects import Certainty, Effect, StepKind
from hub.domain.errors import Conflict, Invalid, Problem


class EditState(StrEnum):
    """What has become of an edit."""

    PROPOSED = "proposed"
    APPLIED = "applied"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Party:
    """Who proposes an edit, or approves it.

    Attributes:
        actor: how the audit log names them.
        application: whose API key they use; None for a person.
    """

    actor: str
    application: UUID | None


def check_approval(proposer: Party, approver: Party) -> None:
    """Whether one party may approve what another has proposed.

    A person may, unless they proposed it. A key may where a key of another application proposed it: all keys of one are one
    party, and a person is not outvoted by a program that they may have the key of.

    Raises:
        Conflict: it may not.
    """
    if approver.application is None:
        if proposer.actor == approver.actor:
            raise Conflict("another person than the one who proposed it must approve it", code="edit_own")
    elif proposer.application is None:
        message = (
            "a person proposed it, so another person must approve it, in the console or with the command"
        )
        raise Conflict(message, code="person_needed")
    elif proposer.application == approver.application:
        message = (
            "a key of this application proposed it: a person must approve it, or another application's key"
        )
        raise Conflict(message, code="edit_own")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two JSON values: `old` or `new` is absent (see `kind`) where one has nothing there.

    Attributes:
        pointer: RFC 6901.
        kind: `added`, `removed` or `changed`.
    """

    pointer: str
    kind: str
    old: Any
    new: Any


def difference(old: Any, new: Any, pointer: str = "") -> list[Change]:
    """What differs, pointer by pointer. Lists are compared place by place."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        pairs = {
            name: (name in old, name in new) for name in [*old, *(name for name in new if name not in old)]
        }
        return [
            change
            for name, (before, after) in pairs.items()
            for change in _at(f"{pointer}/{_escape(name)}", old, new, name, before=before, after=after)
        ]
    if isinstance(old, list) and isinstance(new, list):
        return [
            change
            for place in range(max(len(old), len(new)))
            for change in _at(
                f"{pointer}/{place}", old, new, place, before=place < len(old), after=place < len(new)
            )
        ]
    # JSON tells true from 1; Python does not.
    same = json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
    return [] if same else [Change(pointer, "changed", old, new)]


def _at(pointer: str, old: Any, new: Any, key: Any, *, before: bool, after: bool) -> list[Change]:
    if before and after:
        return difference(old[key], new[key], pointer)
    return [
        Change(pointer, "removed", old[key], None) if before else Change(pointer, "added", None, new[key])
    ]


def edited(args: Any, changes: Mapping[str, Any]) -> Any:
    """The arguments with values put in place, by JSON pointers; `-` behind a list's pointer adds to it.

    Raises:
        Invalid: a pointer leads nowhere, with a problem that names it.
    """
    made = deepcopy(args)
    for pointer, value in changes.items():
        made = _put(made, pointer, value)
    return made


def _put(whole: Any, pointer: str, value: Any) -> Any:
    if not pointer:
        return value
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    at = whole
    for part in parts[:-1]:
        at = _inside(at, part, pointer)
    last = parts[-1] if parts else ""
    match at:
        case dict() if pointer.startswith("/"):
            at[last] = value
        case list() if last == "-":
            at.append(value)
        case list() if last.isascii() and last.isdigit() and int(last) < len(at):
            at[int(last)] = value
        case _:
            raise _leads_nowhere(pointer)
    return whole


def _inside(at: Any, part: str, pointer: str) -> Any:
    match at:
        case dict() if part in at:
            return at[part]
        case list() if part.isascii() and part.isdigit() and int(part) < len(at):
            return at[int(part)]
        case _:
            raise _leads_nowhere(pointer)


def _leads_nowhere(pointer: str) -> Invalid:
    problem = Problem(f"/set/{_escape(pointer)}", "this pointer leads nowhere in the arguments")
    return Invalid("the edit does not fit the arguments", code="invalid_edit", problems=(problem,))


def _escape(part: Any) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True, slots=True)
class OnRecord:
    """A step that stands as it is, whatever the arguments become.

    Attributes:
        kind: `call`, `work`, `wait`, `enqueue` or `undo`.
    """

    position: int
    name: str
    kind: StepKind
    certainty: Certainty


def stands(kind: StepKind, effect: Effect, certainty: Certainty) -> bool:
    """Whether the record of a step stands, so that other arguments would not fit it.

    What was not sent, or was refused, is sent anew with the new arguments; a read is asked again; a sleep has none. All else
    was done, may have been, or is prepared with the arguments of that time: asked for with others, the job is held as
    `steps_changed` and nothing is sent (see hub.services.calls).
    """
    match kind:
        case StepKind.CALL:
            return effect is not Effect.READ and certainty in {Certainty.CONFIRMED, Certainty.UNKNOWN}
        case StepKind.SLEEP:
            return False
        case _:
            return True


def objection(standing: Iterable[OnRecord]) -> str:
    """What stands against an edit, in words; empty if nothing does."""
    steps = list(standing)
    if not steps:
        return ""
    named = ", ".join(f"step {step.position} ({step.name}) {_SAID[step.certainty]}" for step in steps[:5])
    more = f" and {len(steps) - 5} more" if len(steps) > 5 else ""
    return (
        f"{named}{more}: with the old arguments. It is not done again: where the new arguments change what it asks for, the"
        " job is held (steps_changed) and nothing is sent; where they do not, its answer is taken from the record. To do it"
        " anew with other arguments, submit a new job"
    )


_SAID = {
    Certainty.CONFIRMED: "is done",
    Certainty.UNKNOWN: "may have been done",
    Certainty.REJECTED: "was refused",
    Certainty.NOT_SENT: "is prepared",
}
