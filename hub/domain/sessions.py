"""Sessions of operators: how they begin, how long they last, and the token that shows that a form is one's own."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_MAX_AGENT = 120
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class LoginKind(StrEnum):
    """How somebody showed who they are."""

    PASSWORD = "password"  # noqa: S105 - a word, not one's password
    LINK = "link"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lasts.

    Attributes:
        idle: without a request.
        whole: whatever happens.
        link: how long a one-time link can be used.
        invitation: the same of the first one, which has to be sent to somebody.
        fresh: after a one-time link, how long a new password can be set without the old one.
    """

    idle: timedelta = timedelta(hours=8)
    whole: timedelta = timedelta(days=7)
    link: timedelta = timedelta(minutes=15)
    invitation: timedelta = timedelta(days=3)
    fresh: timedelta = timedelta(minutes=15)

    def expiry(self, begun: datetime, seen: datetime) -> datetime:
        """When a session that was last used at `seen` ends."""
        return min(seen + self.idle, begun + self.whole)


def is_token(text: str) -> bool:
    """Whether a text can be one of the hub's tokens: 32 bytes in URL-safe base64."""
    return _TOKEN.fullmatch(text) is not None


def form_token(session: str) -> str:
    """What a form must bring along: only who knows the session's token, which stands in an HttpOnly cookie, can make it."""
    made = hmac.digest(session.encode(), b"hub form 1", hashlib.sha256)
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def is_form_token(session: str, presented: str) -> bool:
    """Whether a form is of this session; in constant time."""
    return hmac.compare_digest(form_token(session).encode(), presented.encode(errors="replace"))


def shortened_agent(user_agent: str) -> str:
    """A browser as the list of sessions shows it: printable, and no longer than needed to recognise it."""
    clean = "".join(character for character in user_agent if character.isprintable())
    return clean if len(clean) <= _MAX_AGENT else clean[: _MAX_AGENT - 1] + "…"


def is_safe_path(path: str) -> bool:
    r"""Whether a login may lead on to it: a path of the console, and not, as browsers read it, another site.

    `//host` and `/\host` are other sites to a browser, and it leaves out tabs and line breaks before it looks.
    """
    return (
        path.isascii()
        and path.isprintable()
        and len(path) <= 2_000
        and "\\" not in path
        and (path == "/console" or path.startswith(("/console/", "/console?")))
    )
