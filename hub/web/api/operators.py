"""Operators over HTTP, for whoever holds `admin`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from aiohttp import web
from pydantic import StringConstraints
from typing_extensions import TypedDict

from hub.domain.access import Role, Scope
from hub.infra.store.operators import StoredOperator
from hub.services.listings import Listing
from hub.services.operate import actor_of
from hub.services.operators import LoginLink
from hub.web.addresses import public_url
from hub.web.answers import json_answer
from hub.web.endpoints import Context, Endpoint, Outcome, Shape
from hub.web.reading import id_in, json_of, optional_body, validated
from hub.web.schemas import Request, Why


class NewOperator(Request):
    """Somebody to be let in."""

    email: Annotated[str, StringConstraints(min_length=3, max_length=300)]
    """Who they are; one address is one operator."""
    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    """How they are called."""
    role: Role
    """What they may do."""


class NewRole(Why):
    """Another role for an operator."""

    role: Role
    """What they may do from now on."""


class OneTimeLink(TypedDict):
    """What lets an operator in once. It is shown only now."""

    operator: UUID
    url: str
    expires_at: datetime


async def list_operators(_request: web.Request, context: Context) -> web.StreamResponse:
    """Every operator."""
    return json_answer(Listing(await context.hub.operators.list()))


async def create(request: web.Request, context: Context) -> web.StreamResponse:
    """Make an operator."""
    value, _ = await json_of(request, context, context.hub.config.web.max_body)
    new = validated(NewOperator, value)
    made = await context.hub.operators.create(
        new.email, new.name, new.role, actor=actor_of(context.principal)
    )
    return json_answer(made, 201)


async def set_role(request: web.Request, context: Context) -> web.StreamResponse:
    """Give an operator another role."""
    operator = id_in(request, "operator")
    value, _ = await json_of(request, context, context.hub.config.web.max_body)
    new = validated(NewRole, value)
    changed = await context.hub.operators.set_role(
        operator, new.role, actor=actor_of(context.principal), reason=new.reason
    )
    return json_answer(changed)


async def disable(request: web.Request, context: Context) -> web.StreamResponse:
    """Shut an operator out."""
    operator, why = id_in(request, "operator"), await optional_body(request, context, Why)
    actor = actor_of(context.principal)
    return json_answer(await context.hub.operators.disable(operator, actor=actor, reason=why.reason))


async def enable(request: web.Request, context: Context) -> web.StreamResponse:
    """Let an operator in again."""
    operator, why = id_in(request, "operator"), await optional_body(request, context, Why)
    actor = actor_of(context.principal)
    return json_answer(await context.hub.operators.enable(operator, actor=actor, reason=why.reason))


async def reset(request: web.Request, context: Context) -> web.StreamResponse:
    """Take an operator's password and sessions away."""
    operator, why = id_in(request, "operator"), await optional_body(request, context, Why)
    actor = actor_of(context.principal)
    return json_answer(await context.hub.operators.reset(operator, actor=actor, reason=why.reason))


async def make_link(request: web.Request, context: Context) -> web.StreamResponse:
    """Make a link that lets an operator in once."""
    link = await context.hub.operators.login_link(
        id_in(request, "operator"), actor=actor_of(context.principal), invitation=True
    )
    return json_answer(shown_link(link, public_url(context.hub.config.web, request)), 201)


def shown_link(link: LoginLink, base: str) -> OneTimeLink:
    """A link as it is shown."""
    return {"operator": link.operator, "url": base + link.path, "expires_at": link.expires_at}


_AT = datetime(2027, 1, 31, 9, 0, tzinfo=UTC)
_ADA = StoredOperator(
    id=UUID("01980a3c-5c11-7d02-9b7e-2f6a1c8d4e55"),
    email="ada@example.com",
    name="Ada Lovelace",
    role=Role.OPERATOR,
    role_by_provider=False,
    has_password=True,
    has_identity=False,
    locked_until=None,
    created_at=_AT,
    disabled_at=None,
    last_login_at=_AT + timedelta(hours=1),
)
_LINK: OneTimeLink = {
    "operator": _ADA.id,
    "url": "https://hub.example.com/console/login/link?token=…",
    "expires_at": _AT + timedelta(days=3),
}
_WHY = Shape(Why, {"reason": "left the company"}, optional=True)


def endpoints() -> tuple[Endpoint, ...]:
    """Operators."""
    one = Shape(StoredOperator, _ADA)
    return (
        Endpoint(
            "GET", "/v1/operators", list_operators, Scope.ADMIN, "listOperators", "Operators", "List operators",
            "By address, those who are disabled last.",
            (Outcome(200, "The first thousand", Shape(Listing[StoredOperator], Listing([_ADA]))),),
        ),
        Endpoint(
            "POST", "/v1/operators", create, Scope.ADMIN, "createOperator", "Operators", "Make an operator",
            "They log in through the identity provider, or with a one-time link, and then set a password.",
            (Outcome(201, "The operator", one),),
            body=Shape(NewOperator, {"email": "ada@example.com", "name": "Ada Lovelace", "role": "operator"}),
            refusals=(409,),
        ),
        Endpoint(
            "POST", "/v1/operators/{id}/role", set_role, Scope.ADMIN, "setRole", "Operators", "Give another role",
            "It holds from their next request on. The last administrator keeps theirs.",
            (Outcome(200, "The operator", one),),
            body=Shape(NewRole, {"role": "operator", "reason": "is on call now"}), refusals=(404, 409),
        ),
        Endpoint(
            "POST", "/v1/operators/{id}/disable", disable, Scope.ADMIN, "disableOperator", "Operators", "Shut an operator out",
            "Their sessions end at once, and their links with them. The last administrator stays.",
            (Outcome(200, "The operator", one),),
            body=_WHY, refusals=(404, 409),
        ),
        Endpoint(
            "POST", "/v1/operators/{id}/enable", enable, Scope.ADMIN, "enableOperator", "Operators", "Let an operator in again",
            "With the password and the role they had.",
            (Outcome(200, "The operator", one),),
            body=_WHY, refusals=(404,),
        ),
        Endpoint(
            "POST", "/v1/operators/{id}/reset", reset, Scope.ADMIN, "resetOperator", "Operators",
            "Take password and sessions away", "As when a computer is lost. A one-time link lets them in again.",
            (Outcome(200, "The operator", one),),
            body=_WHY, refusals=(404,),
        ),
        Endpoint(
            "POST", "/v1/operators/{id}/link", make_link, Scope.ADMIN, "makeLoginLink", "Operators", "Make a one-time link",
            "It lets the operator in once, within three days. Whoever has it is that operator: send it over a channel that"
            " only they read.",
            (Outcome(201, "The link, shown only now", Shape(OneTimeLink, _LINK)),),
            refusals=(404, 409),
        ),
    )  # fmt: skip
