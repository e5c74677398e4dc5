"""Logs through structlog: one JSON object a line, or colours for people; never a secret.

What the standard library's loggers say (asyncio, aiohttp, SQLAlchemy) is written the same way.
"""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, TextIO, cast

import orjson
import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from hub.domain.redaction import Redactor

Style = Literal["auto", "json", "console"]

# They log a line for every request or job, with the whole URL or the arguments in it.
_TOO_LOUD = ("httpx", "httpcore", "arq", "aiohttp.access", "sentry_sdk")


def configure(
    *, level: str, style: Style = "auto", redactor: Redactor | None = None, stream: TextIO | None = None
) -> None:
    """Set up logging for this process: called once, by an entry point, never by a library or a test of one.

    Args:
        level: lines below it cost next to nothing.
        style: `auto` is `console` where the stream is a terminal, else `json`.
        redactor: what to leave out; the general rules if it is not given.
        stream: standard error unless given. It is written to as bytes where it has a `buffer`.
    """
    stream = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    redact = _redaction(redactor or Redactor())
    render = _renderer(style, stream)
    structlog.configure(
        processors=[merge_contextvars, _name, *_DESCRIBE, redact, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_factory(render, stream),
        # Loggers stand at the top of modules: kept, they would go on writing to the stream of a former configuration.
        cache_logger_on_first_use=False,
    )
    _route_standard_logging(number, redact, render, stream)


def logger(name: str) -> FilteringBoundLogger:
    """A logger; cheap to make and to keep, configured when it is first used."""
    made: FilteringBoundLogger = structlog.get_logger(name)
    return made


def context(**ids: Any) -> AbstractContextManager[Mapping[str, Any]]:
    """Within it, every line of this task (and of those it starts) carries these ids: correlation_id, job_id."""
    return cast("AbstractContextManager[Mapping[str, Any]]", bound_contextvars(**ids))


_DESCRIBE: Final[tuple[Processor, ...]] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    # As text, before redaction: the renderers' own tracebacks would show local variables.
    structlog.processors.format_exc_info,
)


def _name(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if logger.name:
        event["logger"] = logger.name
    return event


def _redaction(redactor: Redactor) -> Processor:
    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return redactor.mapping(event)

    return redact


def _renderer(style: Style, stream: TextIO) -> Processor:
    if style == "console" or (style == "auto" and stream.isatty()):
        plain = structlog.dev.plain_traceback
        return structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)
    return structlog.processors.JSONRenderer(serializer=_json)


def _json(event: EventDict, **_: Any) -> bytes:
    try:
        return orjson.dumps(event, default=str)
    except TypeError:
        # Numbers beyond 64 bits, and the lone surrogates that aiohttp makes of bytes in headers that are not UTF-8.
        return json.dumps(event, default=str).encode()


class _JsonLogger(structlog.BytesLogger):
    name = ""


class _ConsoleLogger(structlog.WriteLogger):
    name = ""


def _factory(render: Processor, stream: TextIO) -> Callable[..., WrappedLogger]:
    def make(name: str = "") -> WrappedLogger:
        is_json = isinstance(render, structlog.processors.JSONRenderer)
        made = _JsonLogger(stream.buffer) if is_json else _ConsoleLogger(stream)
        made.name = name
        return made

    return make


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that configuring again replaces it and leaves others alone."""


def _route_standard_logging(level: int, redact: Processor, render: Processor, stream: TextIO) -> None:
    def as_text(logger: WrappedLogger, method: str, event: EventDict) -> str:
        line = render(logger, method, event)
        return line.decode() if isinstance(line, bytes) else str(line)

    handler = _Handler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[merge_contextvars, structlog.stdlib.add_logger_name, *_DESCRIBE],
            processors=[ProcessorFormatter.remove_processors_meta, redact, as_text],
            keep_exc_info=False,
            keep_stack_info=False,
        )
    )
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _TOO_LOUD:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
