"""Who calls, and whether they may. RFC 6750."""

from aiohttp import web

from hub.domain.access import Principal, Scope
from hub.services.keys import Keys
from hub.web.problems import HttpProblem

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="hub"'}
_INVALID = {"WWW-Authenticate": 'Bearer realm="hub", error="invalid_token"'}


async def authenticate(keys: Keys, request: web.Request) -> Principal:
    """The holder of the key that a request carries.

    Raises:
        HttpProblem: 401 when the key is missing, wrong or revoked: which of these is not told.
        Unavailable: nobody can be let in at the moment.
    """
    header = request.headers.get("Authorization", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        detail = "send an API key: Authorization: Bearer hub_…"
        raise HttpProblem(401, "key_missing", detail, headers=_CHALLENGE)
    principal = await keys.authenticate(token.strip())
    if principal is None:
        raise HttpProblem(401, "key_refused", "the API key is wrong or was revoked", headers=_INVALID)
    return principal


def authorise(principal: Principal, scope: Scope) -> None:
    """Raises HttpProblem, 403, unless the scope is held."""
    if not principal.may(scope):
        challenge = f'Bearer realm="hub", error="insufficient_scope", scope="{scope}"'
        detail = f"this takes the scope {scope}, which the key does not have"
        raise HttpProblem(403, "scope_missing", detail, headers={"WWW-Authenticate": challenge})
