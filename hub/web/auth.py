"""Who calls, and whether they may. RFC 6750."""

from aiohttp import web

from hub.domain.access import Principal, Scope
from hub.domain.errors import CredentialRefused
from hub.services.keys import Keys
from hub.web.problems import HttpProblem

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="hub"'}


async def authenticate(keys: Keys, request: web.Request, *, confirms: bool = False) -> Principal:
    """The holder of the key that a request carries.

    Args:
        keys: who knows them.
        request: with its Authorization header.
        confirms: the endpoint's own statement confirms the key, so it may be taken from memory.

    Raises:
        HttpProblem: 401 when the key is missing.
        CredentialRefused: it is wrong or was revoked: which of these is not told.
        Unavailable: nobody can be let in at the moment.
    """
    header = request.headers.get("Authorization", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        detail = "send an API key: Authorization: Bearer hub_…"
        raise HttpProblem(401, "key_missing", detail, headers=_CHALLENGE)
    principal = await keys.authenticate(token.strip(), confirms=confirms)
    if principal is None:
        raise CredentialRefused
    return principal


def authorise(principal: Principal, scope: Scope) -> None:
    """Raises HttpProblem, 403, unless the scope is held."""
    if not principal.may(scope):
        challenge = f'Bearer realm="hub", error="insufficient_scope", scope="{scope}"'
        detail = f"this takes the scope {scope}, which the key does not have"
        raise HttpProblem(403, "scope_missing", detail, headers={"WWW-Authenticate": challenge})
