"""The console's one style sheet and one script, each under a name that changes with its content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web
from multidict import CIMultiDict

_FOREVER = {
    "Server": "hub",
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Assets:
    """What the pages load: the addresses, and what is found there."""

    style: str
    script: str
    icon: str
    files: Mapping[str, tuple[str, bytes]]

    @classmethod
    def make(cls) -> "Assets":
        """Put the parts together, in the order of their names: no build step, and still one request each."""
        found: dict[str, tuple[str, bytes]] = {}
        root = files("hub.web").joinpath("static", "console")

        def keep(stem: str, suffix: str, kind: str, body: bytes) -> str:
            name = f"{stem}.{hashlib.sha256(body).hexdigest()[:16]}.{suffix}"
            found[name] = (kind, body)
            return f"/console/static/{name}"

        return cls(
            keep("console", "css", "text/css; charset=utf-8", _joined(root.joinpath("css"))),
            keep("console", "js", "text/javascript; charset=utf-8", _joined(root.joinpath("js"))),
            keep("icon", "svg", "image/svg+xml", root.joinpath("icon.svg").read_bytes()),
            found,
        )

    def answer(self, name: str) -> web.Response:
        """What is found under a name. Raises HTTPNotFound."""
        if name not in self.files:
            raise web.HTTPNotFound
        kind, body = self.files[name]
        return web.Response(body=body, headers=CIMultiDict({**_FOREVER, "Content-Type": kind}))


def _joined(folder: Traversable) -> bytes:
    parts = sorted((part for part in folder.iterdir() if part.is_file()), key=lambda part: part.name)
    return b"\n".join(part.read_bytes() for part in parts)
