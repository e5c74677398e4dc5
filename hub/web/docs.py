"""The API's document as JSON, and as a page for people: rendered on the server, with nothing loaded and no script.

Each is made once, when it is first asked for, and beside the loop: it takes a third of a second, and most processes are never asked.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from importlib.resources import files
from typing import Any

import orjson
from aiohttp import web
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from hub.registry import Registry
from hub.web.answers import JSON_HEADERS, dumps, page_headers
from hub.web.api.table import endpoints_of
from hub.web.endpoints import Context, Endpoint, Outcome, Shape
from hub.web.openapi import document_of
from hub.web.problems import KINDS

_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")
_REF = "#/components/schemas/"
_OR, _AND = Markup(" or "), Markup(" and ")


class Docs:
    """Serves one document.

    Args:
        make: makes the OpenAPI document.
    """

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make
        self._style = _read("docs.css")
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self._page_headers = page_headers(f"sha256-{digest}")

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where they are found. They describe the API and are not part of it."""
        machine = Outcome(200, "The document", Shape(dict[str, Any], {}))
        people = Outcome(200, "The page", Shape(None, "", "text/html"))
        return (
            Endpoint(
                "GET", "/v1/openapi.json", self._answer_json, None, "getDocument", "Docs",
                "This document", "", (machine,),
            ),
            Endpoint(
                "GET", "/docs", self._answer_page, None, "getDocs", "Docs",
                "The same for people", "", (people,),
            ),
        )  # fmt: skip

    @cached_property
    def _document(self) -> dict[str, Any]:
        return self._make()

    @cached_property
    def _json(self) -> bytes:
        return dumps(self._document)

    @cached_property
    def _page(self) -> bytes:
        return _render(self._document, self._style).encode()

    async def _answer_json(self, _request: web.Request, _context: Context) -> web.StreamResponse:
        return web.Response(body=await asyncio.to_thread(lambda: self._json), headers=JSON_HEADERS)

    async def _answer_page(self, _request: web.Request, _context: Context) -> web.StreamResponse:
        return web.Response(body=await asyncio.to_thread(lambda: self._page), headers=self._page_headers)


@lru_cache(maxsize=4)
def docs_of(registry: Registry) -> Docs:
    """What is served of a registry's document, whichever application of this process serves it."""
    return Docs(lambda: document_of(endpoints_of(registry), registry))


def _render(document: dict[str, Any], style: str) -> str:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "prose": _prose,
        "inline": _inline,
        "json": _json,
        "type": _type,
        "anchor": _anchor,
    }
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    groups = {tag["name"]: [o for o in operations if tag["name"] in o["tags"]] for tag in document["tags"]}
    schemas = document["components"]["schemas"]
    page = environment.from_string(_read("docs.html"))
    return page.render(
        document=document,
        groups=groups,
        jobs={name: schema for name, schema in schemas.items() if name.startswith("Submission.")},
        shapes={
            name: schema for name, schema in sorted(schemas.items()) if not name.startswith("Submission.")
        },
        kinds=KINDS,
        # Our own file, and the only markup that is not escaped.
        style=Markup(style),  # noqa: S704
        resolved=partial(_resolved, document),
    )


def _read(name: str) -> str:
    return files("hub.web").joinpath("templates", name).read_text(encoding="utf-8")


def _resolved(document: dict[str, Any], thing: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to; anything else as it is."""
    while "$ref" in thing:
        target: Any = document
        for part in thing["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        thing = target
    return thing


def _prose(text: str) -> Markup:
    """The little markup that descriptions use: paragraphs, `code` and **strong**."""
    # Escaped by `_inline`: what is added are tags without attributes.
    return Markup("".join(f"<p>{part}</p>" for part in _inline(text).split("\n\n")))  # noqa: S704


def _inline(text: str) -> Markup:
    """The same without paragraphs."""
    escaped = str(escape(text))
    return Markup(_STRONG.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escaped)))  # noqa: S704


def _json(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _anchor(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)


def _type(schema: dict[str, Any]) -> Markup:  # noqa: PLR0911 - one for each form of a schema
    """A schema in a few words, with a link to what it names."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return Markup('<a href="#shape-{}">{}</a>').format(_anchor(name), name)
    for key, joint in (("anyOf", _OR), ("oneOf", _OR), ("allOf", _AND)):
        if key in schema:
            return joint.join(_type(option) for option in schema[key])
    if "const" in schema:
        return Markup("<code>{}</code>").format(schema["const"])
    if "enum" in schema:
        return Markup(" ").join(Markup("<code>{}</code>").format(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return Markup("list of {}").format(_type(schema.get("items", {})))
    if isinstance(schema.get("additionalProperties"), dict):
        return Markup("object of {}").format(_type(schema["additionalProperties"]))
    return Markup("{}").format(" ".join([schema.get("type", "anything"), *_bounds(schema)]))


_BOUNDS = {
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "exclusiveMinimum": "> {}",
    "minLength": "of at least {}",
    "maxLength": "of at most {}",
    "minItems": "of at least {}",
    "maxItems": "of at most {}",
    "format": "({})",
    "default": "= {}",
}


def _bounds(schema: dict[str, Any]) -> list[str]:
    return [
        words.format(orjson.dumps(schema[key]).decode() if key == "default" else schema[key])
        for key, words in _BOUNDS.items()
        if schema.get(key) is not None
    ]
