"""Taking requests apart: ids in paths, queries, and bodies of a known shape."""

from typing import Any, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ValidationError

from hub.domain.errors import Invalid, NotFound, Problem
from hub.web.bodies import parse_json
from hub.web.endpoints import Context
from hub.web.schemas import Query, refused

M = TypeVar("M", bound=BaseModel)
Q = TypeVar("Q", bound=Query)


def id_in(request: web.Request, what: str) -> UUID:
    """The id in the path. Raises NotFound for what is no id: there is nothing of that name."""
    text = request.match_info["id"]
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no {what} {text[:100]!r}", code=f"unknown_{what}_id") from None


def refuse_nul(request: web.Request) -> None:
    """Nothing in the database can hold a NUL character. Raises NotFound for a path with one, Invalid for a query."""
    path, _, query = request.raw_path.partition("?")
    if "%00" in path:
        raise NotFound("there is nothing whose name holds a NUL character")
    if "%00" in query:
        raise Invalid("the query holds a NUL character", code="nul_character")


def query_of(request: web.Request, model: type[Q]) -> Q:
    """The query, checked. Raises Invalid with a pointer per parameter."""
    query = request.query
    repeated = [name for name in query if len(query.getall(name)) > 1]
    if repeated:
        problems = tuple(Problem(f"/query/{name}", "must be given once") for name in dict.fromkeys(repeated))
        raise Invalid("the query does not fit", problems=problems)
    try:
        return model.model_validate(dict(query))
    except ValidationError as error:
        raise refused(error, "/query") from None


async def json_of(request: web.Request, context: Context, limit: int) -> tuple[Any, int]:
    """The body as JSON, and its size. Raises what `Bodies.read` and `parse_json` raise."""
    body = await context.bodies.read(request, limit)
    return parse_json(body, context.hub.config.web.max_json_depth), len(body)


async def optional_body(request: web.Request, context: Context, model: type[M]) -> M:
    """The body, if there is one. Raises Invalid with a pointer per field."""
    body = await context.bodies.read(request, context.hub.config.web.max_body)
    value = parse_json(body, context.hub.config.web.max_json_depth) if body else {}
    return validated(model, value)


def validated(model: type[M], value: Any) -> M:
    """A value of a known shape. Raises Invalid with a pointer per field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise refused(error) from None
