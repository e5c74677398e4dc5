"""A job as its author describes it: an async function with typed arguments, and its policy."""

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar, get_type_hints

from hub.domain.errors import ConfigurationError
from hub.domain.providers import A, Model, Operation, R
from hub.domain.retry import Backoff
from hub.domain.tags import TagTemplate, read_templates

T = TypeVar("T")
E = TypeVar("E", bound=Model)


class Log(Protocol):
    """Structured logging for a job; every line carries the job's ids by itself."""

    def info(self, event: str, **fields: Any) -> None: ...
    def warning(self, event: str, **fields: Any) -> None: ...


class JobContext(Protocol):
    """What a job may do to the world. Everything that goes through it is recorded and not done twice."""

    @property
    def job_id(self) -> str:
        """The job's id, the same for every attempt."""
        ...

    @property
    def attempt(self) -> int:
        """1 for the first attempt."""
        ...

    @property
    def correlation_id(self) -> str:
        """What ties this job to the request or event it came from."""
        ...

    @property
    def log(self) -> Log:
        """A logger that already knows the job."""
        ...

    async def call(self, operation: Operation[A, R], /, **args: Any) -> R:
        """Call a provider as a durable step: recorded before it is sent, replayed when the job runs again.

        Raises:
            CallError: what went wrong, see `hub.domain.errors`. Leave it alone and the hub decides about a retry.
        """
        ...

    async def step(self, name: str, work: Callable[[], Awaitable[T]], /) -> T:
        """Do any other piece of work once, and remember its JSON result.

        The work must be harmless to repeat: it is done again if the worker dies before the result is recorded.
        """
        ...

    async def sleep(self, delay: timedelta, /) -> None:
        """Go on after this time, counted from when this line was first reached. No worker is held meanwhile."""
        ...

    async def wait_for(
        self,
        event: str | tuple[str, ...],
        model: type[E],
        /,
        *,
        about: str,
        timeout: timedelta,  # noqa: ASYNC109 - it outlives the process
        since: datetime | None = None,
    ) -> E:
        """Go on when a provider's webhook arrives. No worker is held meanwhile, and a restart changes nothing.

        An event that was here before the wait began is found too; each event ends one wait of a job.

        Args:
            event: `<source>:<type>`, or several of one source, whichever comes first.
            model: how the event is read.
            about: the event's subject, as its source reads it (`Source.subject`), such as a payment's id.
            timeout: how long to wait, from when this line was first reached.
            since: events received before are passed over; by default those from before the job was made.

        Raises:
            WaitTimedOut: nothing came in time. Uncaught, it fails the job for good.
        """
        ...

    async def enqueue(self, spec: "JobSpec", /, *, delay: timedelta = timedelta(0), **args: Any) -> str:
        """Have another job made, in the same transaction that records this one's success; gives its id.

        If this job fails, the other is never made.

        Raises:
            Invalid: the arguments do not fit the job.
        """
        ...

    async def compensate(self, operation: Operation[A, R], /, **args: Any) -> None:
        """Record how to undo what was just done: called if this job fails for good or is cancelled.

        Recorded calls are made in reverse order, each as a durable step with retries of its own. Where one of them fails
        for good, the job waits for a person with the reason `compensation_failed`. The arguments are stored and shown as
        those of jobs are, so `SecretStr` and its like are refused.
        """
        ...

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far the job is, for people. Kept now and then, not every time; waits for nothing."""
        ...


JobFunction = Callable[[Any, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job, found by the registry. The name is `<module>.<function>`."""

    name: str
    function: JobFunction
    args: type[Any]
    retry: Backoff
    queue: str
    priority: int
    timeout: timedelta
    on: tuple[str, ...]
    summary: str
    tags: tuple[TagTemplate, ...] = ()


QUEUE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_SUBSCRIPTION = re.compile(r"[^\s:]+:\S+")
DEFAULT_PRIORITY = 5


def job(
    *,
    retry: Backoff = Backoff(),  # noqa: B008 - frozen
    queue: str = "default",
    priority: int = DEFAULT_PRIORITY,
    timeout: timedelta = timedelta(minutes=5),
    on: str | tuple[str, ...] = (),
    tags: str | tuple[str, ...] = (),
) -> Callable[[JobFunction], JobSpec]:
    """Make an async function `(ctx, args)` a job.

    Args:
        retry: how failures are tried again.
        queue: which queue it waits in unless the request says otherwise.
        priority: 0 (last) to 9 (first).
        timeout: how long one attempt may take; then it counts as failed and may be tried again.
        on: webhook events that start it, as `<source>:<type>`.
        tags: what it is about, taken from its arguments: `order:{number}` or `order:{metadata.order}`. Jobs are found by
            them, and a timeline is told of all with one.

    Raises:
        ConfigurationError: the function does not have the shape of a job.
    """

    def describe(function: JobFunction) -> JobSpec:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        events = (on,) if isinstance(on, str) else tuple(on)
        wanted = (tags,) if isinstance(tags, str) else tuple(tags)
        problems = [
            *_shape_problems(name, function),
            *_policy_problems(name, queue, priority, timeout),
            *_subscription_problems(name, events),
            *_tag_problems(name, wanted),
        ]
        if problems:
            raise ConfigurationError(*problems)
        summary = (inspect.getdoc(function) or "").partition("\n")[0]
        about = read_templates(wanted)
        return JobSpec(
            name, function, _args_type(function), retry, queue, priority, timeout, events, summary, about
        )

    return describe


def _parameters(function: JobFunction) -> list[str]:
    """The names in order; with a star where a parameter cannot be given by position."""
    ways = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        p.name if p.kind in ways else f"*{p.name}" for p in inspect.signature(function).parameters.values()
    ]


def _args_type(function: JobFunction) -> type[Any]:
    kind: type[Any] = get_type_hints(function)[_parameters(function)[1]]
    return kind


def _shape_problems(name: str, function: JobFunction) -> list[str]:
    if not inspect.iscoroutinefunction(function):
        return [f"job {name} must be an async function"]
    if len(_parameters(function)) != 2 or _parameters(function)[1] not in function.__annotations__:
        return [f"job {name} must take (ctx: JobContext, args: SomeArgs), with the arguments' type annotated"]
    try:
        kind: object = _args_type(function)
    except (NameError, TypeError) as error:
        return [f"job {name}: its annotations cannot be read when it runs ({error})"]
    if not (isinstance(kind, type) and hasattr(kind, "model_validate")):
        return [f"job {name}: its arguments must be a class of Args or EventModel, not {kind!r}"]
    return []


def _policy_problems(name: str, queue: str, priority: int, timeout: timedelta) -> list[str]:
    problems = []
    if not QUEUE_NAME.fullmatch(queue):
        problems.append(f"job {name}: queue {queue!r} must be lower-case letters, digits, '-' and '_'")
    if not 0 <= priority <= 9:
        problems.append(f"job {name}: priority {priority} must be 0 to 9")
    if timeout <= timedelta(0):
        problems.append(f"job {name}: timeout must be longer than nothing")
    return problems


def _tag_problems(name: str, templates: tuple[str, ...]) -> list[str]:
    try:
        read_templates(templates)
    except ValueError as error:
        return [f"job {name}: tags={error}"]
    return []


def _subscription_problems(name: str, events: tuple[str, ...]) -> list[str]:
    return [
        f"job {name}: on={event!r} must be '<source>:<type>'"
        for event in events
        if not _SUBSCRIPTION.fullmatch(event)
    ]
