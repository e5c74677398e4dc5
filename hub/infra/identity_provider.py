"""OpenID Connect's authorization code flow: what is asked of an identity provider, and what of its answers is believed.

https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth with PKCE (RFC 7636). Of an answer only the ID token
counts: its signature by a key that the provider publishes, its issuer, audience, times, and the nonce of this log-in.
"""

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import orjson
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from hub.config.sign_in import OidcConfig
from hub.domain.errors import LoginRefused, Unavailable
from hub.infra.connections import httpx_request

# Signatures that only the holder of a private key can make: not `none`, and not HS256, whose key would be the client's.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_DEADLINE = 10.0  # seconds
_LARGEST = 512 * 1024  # bytes of an answer
_KEPT = 3600.0  # seconds until addresses and keys are asked for again: one that was withdrawn ends with them
_AGAIN = 10.0  # seconds between two looks for a key that is not known
_SKEW = 60  # seconds that clocks may differ
_NO = "the identity provider's answer was not accepted"


@dataclass(frozen=True, slots=True)
class _Places:
    authorization: str
    token: str
    keys: str
    by_post: bool


class IdentityProvider:
    """One provider. Its addresses and keys are asked for when they are needed, and kept for a while.

    Args:
        settings: which one, and who we are to it.
        transport: sends.
        clock: seconds since 1970, for the times in tokens.
        steady: seconds that only go forwards.
    """

    def __init__(
        self,
        settings: OidcConfig,
        transport: httpx.AsyncBaseTransport,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._steady = steady
        self._places: tuple[float, _Places] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._looking = asyncio.Lock()

    async def address(self, redirect: str, *, state: str, nonce: str, verifier: str) -> str:
        """Where to send a browser. Raises Unavailable."""
        places = await self._discovered()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect,
            "scope": self._settings.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in places.authorization else "?"
        return f"{places.authorization}{joint}{urlencode(query)}"

    async def claims(self, code: str, redirect: str, *, nonce: str, verifier: str) -> Mapping[str, Any]:
        """Who came back with a code: what the ID token says, once all of it is shown to be true.

        Raises:
            LoginRefused: the provider does not take the code, or its token is not good.
            Unavailable: the provider does not answer.
        """
        places = await self._discovered()
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
        }
        answer = await self._post(places, fields)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise LoginRefused(_NO, "the answer holds no ID token")
        return await self._verified(token, nonce)

    async def _verified(self, token: str, nonce: str) -> Mapping[str, Any]:
        keys = await self._published()
        try:
            return self._judge(token, keys, nonce)
        except JoseError as error:
            # A key that is not known may be a new one.
            newer = await self._published(newer=True)
            if newer is keys:
                raise LoginRefused(_NO, f"the ID token is not good: {error}") from error
        try:
            return self._judge(token, newer, nonce)
        except JoseError as error:
            raise LoginRefused(_NO, f"the ID token is not good: {error}") from error

    def _judge(self, token: str, keys: KeySet, nonce: str) -> Mapping[str, Any]:
        decoded = jwt.decode(token, keys, algorithms=_ALGORITHMS)
        client = self._settings.client_id
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": self._settings.issuer},
                "aud": {"essential": True, "value": client},
                "sub": {"essential": True},
            },
            params={"client_id": client, "nonce": nonce},
        )
        claims.validate(now=int(self._clock()), leeway=_SKEW)
        return dict(claims)

    async def _discovered(self) -> _Places:
        """The provider's addresses. https://openid.net/specs/openid-connect-discovery-1_0.html"""
        if self._places is None or self._steady() - self._places[0] > _KEPT:
            issuer = self._settings.issuer
            found = await self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                raise Unavailable(
                    f"the identity provider calls itself {found.get('issuer')!r}, not {issuer!r}"
                )
            self._places = self._steady(), _places(found)
        return self._places[1]

    async def _published(self, *, newer: bool = False) -> KeySet:
        async with self._looking:
            age = self._steady() - self._keys[0] if self._keys else None
            if self._keys is None or age is None or age > (_AGAIN if newer else _KEPT):
                found = await self._get((await self._discovered()).keys)
                self._keys = self._steady(), _signing(found)
            return self._keys[1]

    async def _get(self, url: str) -> dict[str, Any]:
        status, body = await self._sent("GET", url, {"Accept": "application/json"}, b"")
        if status != 200:
            raise Unavailable(f"the identity provider answers {status}")
        return _object(body)

    async def _post(self, places: _Places, fields: dict[str, str]) -> dict[str, Any]:
        client, secret = self._settings.client_id, self._settings.client_secret.reveal()
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if places.by_post:
            fields = {**fields, "client_id": client, "client_secret": secret}
        else:
            # RFC 6749, 2.3.1: both are form-encoded before they are put together.
            pair = f"{quote(client, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        status, body = await self._sent("POST", places.token, headers, urlencode(fields).encode())
        if status >= 500:
            raise Unavailable(f"the identity provider answers {status}")
        answer = _object(body)
        if status != 200:
            raise LoginRefused(_NO, f"the code was refused: {status} {str(answer.get('error'))[:100]}")
        return answer

    async def _sent(self, method: str, url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(_DEADLINE):
                request = httpx_request(method, url, headers, body)
                response = await self._transport.handle_async_request(request)
                return response.status_code, await _read(response)
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            raise Unavailable(
                f"the identity provider does not answer ({type(error).__name__})", timedelta(seconds=5)
            ) from error


async def _read(response: httpx.Response) -> bytes:
    read = bytearray()
    try:
        async for part in response.aiter_bytes():
            read += part
            if len(read) > _LARGEST:
                raise Unavailable("the identity provider's answer is too large")
    finally:
        await response.aclose()
    return bytes(read)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise Unavailable("the identity provider's answer is not JSON as it should be")
    return value


def _places(found: Mapping[str, Any]) -> _Places:
    wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    if not all(isinstance(found.get(name), str) for name in wanted):
        raise Unavailable("the identity provider does not say where its endpoints are")
    methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    by_post = "client_secret_basic" not in methods and "client_secret_post" in methods
    authorization, token, keys = (found[name] for name in wanted)
    return _Places(authorization, token, keys, by_post)


def _signing(found: Mapping[str, Any]) -> KeySet:
    """The public keys for signatures; a symmetric one among them would be everybody's."""
    keys = [
        key
        for key in found.get("keys", ())
        if isinstance(key, dict) and key.get("kty") in {"RSA", "EC", "OKP"} and key.get("use", "sig") == "sig"
    ]
    try:
        return KeySet.import_key_set({"keys": keys})
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Unavailable("the identity provider publishes keys that cannot be read") from error
