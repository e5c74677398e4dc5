"""A client that checks every JSON answer it gets against the API's own document."""

import copy
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from openapi_schema_validator import OAS31Validator

from tests.web.registry import SECRET


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)


@dataclass(slots=True)
class Client:
    """Asks one hub.

    Attributes:
        key: sent with every request, unless None.
        document: what answers are checked against; fetched by `learn`.
    """

    session: aiohttp.ClientSession
    url: str
    key: str | None = None
    document: dict[str, Any] = field(default_factory=dict)

    def with_key(self, key: str | None) -> "Client":
        """The same client with another key."""
        return Client(self.session, self.url, key, self.document)

    async def learn(self) -> None:
        """Fetch the document."""
        answer = await self._send("GET", "/v1/openapi.json", {}, None)
        assert answer.status == 200, answer.body
        self.document = answer.json

    async def get(self, path: str, **headers: str) -> Answer:
        """GET, checked."""
        return await self.send("GET", path, headers=headers)

    async def post(self, path: str, value: Any = None, **headers: str) -> Answer:
        """POST a JSON value, checked; header names with _ for -."""
        body = None if value is None else value if isinstance(value, bytes) else orjson.dumps(value)
        return await self.send("POST", path, headers=headers, body=body)

    async def webhook(self, source: str, value: Any, *, secret: str = SECRET, **headers: str) -> Answer:
        """A delivery, signed."""
        body = value if isinstance(value, bytes) else orjson.dumps(value)
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers.setdefault("X_Signature", f"sha256={signature}")
        return await self.send("POST", f"/webhooks/{source}", headers=headers, body=body)

    async def send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        """Send, and check the answer against the document."""
        sent = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        answer = await self._send(method, path, sent, body)
        check(self.document, method, path.partition("?")[0], answer)
        return answer

    async def _send(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        if self.key is not None:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        async with self.session.request(method, self.url + path, headers=headers, data=body) as response:
            return Answer(response.status, response.headers, await response.read())


def check(document: dict[str, Any], method: str, path: str, answer: Answer) -> None:
    """Assert that an answer is one that the document promises."""
    assert answer.headers["X-Request-Id"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    kind = answer.headers.get("Content-Type", "")
    if answer.status >= 400 and kind != "application/json":
        assert kind == "application/problem+json"
        validate(document, {"$ref": "#/components/schemas/ProblemDocument"}, answer.json)
        assert answer.json["status"] == answer.status
        assert answer.json["correlation_id"] == answer.headers["X-Request-Id"]
    operation = operation_of(document, method, path)
    if operation is None:
        return
    promises = operation["responses"]
    promised = promises.get(str(answer.status)) or promises.get(f"{answer.status // 100}XX")
    assert promised is not None, f"{method} {path} answered {answer.status}, which the document does not know"
    promised = resolve(document, promised)
    content = promised.get("content", {}).get(kind)
    if kind.startswith("application/"):
        assert content is not None, f"{method} {path} answered {kind}"
        validate(document, content["schema"], answer.json)


def operation_of(document: dict[str, Any], method: str, path: str) -> dict[str, Any] | None:
    """The operation that a request is for."""
    # The literal path comes before the pattern.
    for template in sorted(document.get("paths", {}), key=lambda text: "{" in text):
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, path):
            found: dict[str, Any] | None = document["paths"][template].get(method.lower())
            if found is not None:
                return found
    return None


def resolve(document: dict[str, Any], thing: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to."""
    while "$ref" in thing:
        target: Any = document
        for part in thing["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        thing = target
    return thing


def validate(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Assert that a value fits a schema, and has no field that the schema does not know."""
    components = copy.deepcopy(document["components"])
    for known in components["schemas"].values():
        if known.get("type") == "object" and known.get("properties"):
            known.setdefault("additionalProperties", False)
    OAS31Validator(
        {**schema, "components": components}, format_checker=OAS31Validator.FORMAT_CHECKER
    ).validate(value)
