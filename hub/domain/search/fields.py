"""What can be searched for. The parser, the completion, the statements and the reference all go by these tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from hub.domain.jobs import JobState, Reason


class Kind(Enum):
    """What the values of a field are."""

    CHOICE = "one of a few words"
    NAME = "a name, or its beginning and a `*`"
    EXACT = "exactly this"
    TAG = "exactly this tag"
    TEXT = "part of the text, in capitals or not"
    ID = "an id of the hub's"
    NUMBER = "a number, as `3`, `>3`, `>=3`, `<3` or `<=3`"
    TIME = "how long ago, as `30m`, `2h`, `3d` or `1w`, or a time, as `2026-11-30` or `2026-11-30T08:00Z` (UTC unless it says otherwise)"
    WORD = "a word without a field"


# What a thing has several of may be asked for several times; of the others twice would find nothing.
_REPEATABLE = frozenset({Kind.TAG, Kind.TEXT, Kind.NUMBER, Kind.WORD})


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that can be asked about.

    Attributes:
        about: what it finds, for the reference and the help.
        example: a term.
        aliases: other names that people try.
        choices: of a CHOICE, every value.
    """

    name: str
    kind: Kind
    about: str
    example: str
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()

    @property
    def repeatable(self) -> bool:
        """Whether it may be asked for more than once, so that all must hold."""
        return self.kind in _REPEATABLE


WORD = Field("", Kind.WORD, "a word on its own", "timeout")


@dataclass(frozen=True, slots=True)
class Language:
    """The fields of one list.

    Attributes:
        things: what is listed, in the plural.
        tags: whether a word that is no field is a tag, as `order:1234`.
    """

    things: str
    fields: tuple[Field, ...]
    words: str
    tags: bool = False
    _named: Mapping[str, Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = {name: one for one in self.fields for name in (one.name, *one.aliases)}
        object.__setattr__(self, "_named", MappingProxyType(named))

    @property
    def names(self) -> tuple[str, ...]:
        """Every name a field can be given by, with its aliases."""
        return tuple(self._named)

    def find(self, name: str) -> Field | None:
        """The field of a name or an alias, in capitals or not; None if there is none."""
        return self._named.get(name.lower())


_SINCE = ("after",)
_UNTIL = ("before",)

JOBS = Language(
    "jobs",
    (
        Field("state", Kind.CHOICE, "where it stands", "state:failed,held", choices=tuple(state.value for state in JobState)),
        Field("reason", Kind.CHOICE, "why it stands there", "reason:uncertain", choices=tuple(reason.value for reason in Reason)),
        Field("job", Kind.NAME, "the name of the job", "job:payments.*", ("name",)),
        Field("queue", Kind.NAME, "the queue it waits in", "queue:payments"),
        Field("application", Kind.NAME, "the application that submitted it", "application:shop", ("app",)),
        Field("provider", Kind.NAME, "whose answer, or silence, its latest error came from", "provider:stripe"),
        Field("operation", Kind.NAME, "the operation that its latest error came from", "operation:stripe.create_refund"),
        Field("code", Kind.NAME, "the code of its latest error", "code:card_declined"),
        Field("error", Kind.TEXT, "part of its latest error's message or code", 'error:"no such customer"', ("text",)),
        Field("signature", Kind.EXACT, "the cause of its latest error, shared by all that failed of it", "signature:9f86d081884c7d65", ("group",)),
        Field("tag", Kind.TAG, "a tag; tags written as `order:1234` are found by that alone", "tag:vip"),
        Field("correlation", Kind.EXACT, "the correlation id it shares with what it belongs to", "correlation:checkout-1234", ("correlation_id",)),
        Field("event", Kind.ID, "the event that started it", "event:019aa0f2-7c4e-7c31-9b5f-6f1f0c2d4e5a", ("event_id",)),
        Field("source", Kind.NAME, "the source of the event that started it", "source:stripe"),
        Field("parent", Kind.ID, "the job that made it", "parent:019aa0f2-7c4e-7c31-9b5f-6f1f0c2d4e5a", ("parent_id",)),
        Field("priority", Kind.NUMBER, "0 (last) to 9 (first)", "priority:>=7"),
        Field("attempts", Kind.NUMBER, "how often it was started", "attempts:>3", ("attempt",)),
        Field("failures", Kind.NUMBER, "how much of its retry budget is used up", "failures:>=2"),
        Field("since", Kind.TIME, "accepted then or later", "since:2h", _SINCE),
        Field("until", Kind.TIME, "accepted before then", "until:2026-11-30T08:00Z", _UNTIL),
        Field("id", Kind.ID, "the job itself", "id:019aa0f2-7c4e-7c31-9b5f-6f1f0c2d4e5a"),
    ),
    words="the job's name, its latest error, its tags, its correlation id; an id finds the job itself, the jobs of that event, and what has it as a tag or correlation id",
    tags=True,
)  # fmt: skip

EVENTS = Language(
    "events",
    (
        Field("source", Kind.NAME, "who sent it", "source:stripe"),
        Field("type", Kind.NAME, "what happened, in the provider's words", "type:payment_intent.*"),
        Field("external", Kind.EXACT, "the provider's id of it", "external:evt_1QhT3x", ("external_id",)),
        Field("correlation", Kind.EXACT, "the correlation id it shares with its jobs", "correlation:checkout-1234", ("correlation_id",)),
        Field("subject", Kind.EXACT, "what it is about, where jobs may wait for it", "subject:pi_3QhT3x"),
        Field("since", Kind.TIME, "received then or later", "since:2h", _SINCE),
        Field("until", Kind.TIME, "received before then", "until:2026-11-30T08:00Z", _UNTIL),
        Field("id", Kind.ID, "the event itself", "id:019aa0f2-7c4e-7c31-9b5f-6f1f0c2d4e5a"),
    ),
    words="the provider's id, the type, the correlation id, the subject; an id finds the event itself, the event of that job, and what has it as a correlation id",
)  # fmt: skip
