"""An identity provider: OpenID Connect's code flow over real HTTP, with real keys, and with the faults that tests ask for.

Whoever is sent to it is let through at once as `person`. It checks what a real one checks: the client and its secret,
the address to lead back to, that a code is used once, and PKCE.
"""

import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from secrets import token_urlsafe
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.simulators.serving import serving

CLIENT, SECRET = "hub", "a secret with : and ü"


@cache
def _first_key() -> RSAKey:
    # Making one takes a second of processor at times.
    return RSAKey.generate_key(2048, auto_kid=True)


@dataclass(slots=True)
class Grant:
    """What stands behind a code."""

    redirect: str
    nonce: str
    challenge: str
    person: dict[str, Any]


@dataclass(slots=True)
class Provider:
    """One provider.

    Attributes:
        person: what it says of whoever comes, as they come.
        claims: put over the claims of every token; None takes one away.
        sign: makes the token of claims; None for the provider's own key.
        denies: sends everybody back with this error.
        asked: how often each address was asked for.
    """

    issuer: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any]], str] | None = None
    denies: str | None = None
    by_post: bool = False
    is_down: bool = False
    key: RSAKey = field(default_factory=_first_key)
    grants: dict[str, Grant] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    def rotate(self) -> None:
        """Sign with a new key, and publish only that."""
        self.key = RSAKey.generate_key(2048, auto_kid=True)

    def application(self) -> web.Application:
        """Its web server."""
        app = web.Application(middlewares=[self._count])
        app.router.add_get("/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/keys", self._keys)
        return app

    @web.middleware
    async def _count(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked[request.path] = self.asked.get(request.path, 0) + 1
        if self.is_down:
            return web.Response(status=503)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _configuration(self, _request: web.Request) -> web.Response:
        method = "client_secret_post" if self.by_post else "client_secret_basic"
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "token_endpoint_auth_methods_supported": [method],
            }
        )

    async def _authorize(self, request: web.Request) -> web.Response:
        query = request.query
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT)
        assert "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256"
        back: dict[str, str] = {"state": query["state"], "iss": self.issuer}
        if self.denies:
            back["error"] = self.denies
        else:
            back["code"] = token_urlsafe(16)
            self.grants[back["code"]] = Grant(
                query["redirect_uri"], query["nonce"], query["code_challenge"], {**self.person}
            )
        return web.Response(status=303, headers={"Location": f"{query['redirect_uri']}?{urlencode(back)}"})

    async def _token(self, request: web.Request) -> web.Response:
        fields = await request.post()
        grant = self.grants.pop(str(fields["code"]), None)
        digest = hashlib.sha256(str(fields["code_verifier"]).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if not self._is_client(request, fields):
            return web.json_response({"error": "invalid_client"}, status=401)
        if grant is None or (grant.redirect, grant.challenge) != (fields["redirect_uri"], challenge):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response(
            {"id_token": self._id_token(grant), "token_type": "Bearer", "access_token": "x"}
        )

    async def _keys(self, _request: web.Request) -> web.Response:
        return web.json_response(KeySet([self.key]).as_dict(private=False))

    def _is_client(self, request: web.Request, fields: Any) -> bool:
        if self.by_post:
            return (fields.get("client_id"), fields.get("client_secret")) == (CLIENT, SECRET)
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        name, _, secret = base64.b64decode(encoded).decode().partition(":")
        return (scheme, unquote(name), unquote(secret)) == ("Basic", CLIENT, SECRET)

    def _id_token(self, grant: Grant) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": grant.nonce}
        claims = {
            name: value
            for name, value in {**claims, **grant.person, **self.claims}.items()
            if value is not None
        }
        return self.sign(claims) if self.sign else signed(claims, self.key)


def signed(claims: dict[str, Any], key: Any, alg: str = "RS256", **header: Any) -> str:
    """A token."""
    named = {"kid": key.kid} if getattr(key, "kid", None) else {}
    return jwt.encode({"alg": alg, **named, **header}, claims, key, algorithms=[alg])


@asynccontextmanager
async def identity_provider(**person: Any) -> AsyncIterator[Provider]:
    """A provider that serves, and lets everybody through as this person."""
    provider = Provider(person=person)
    async with serving(provider.application()) as url:
        provider.issuer = url
        yield provider
