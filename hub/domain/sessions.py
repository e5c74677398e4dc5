"""Sessions of operators: how they begin, how long they last, and the token that shows that a form is one's own."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

_MAX_AGENT = 120
_DOTS = re.compile(r"(\.|%2e){1,2}", re.IGNORECASE)
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
        device: how long a browser is known after its last log-in.
        devices: how many browsers of one operator are known, those that logged in last.
    """

    idle: timedelta = timedelta(hours=8)
    whole: timedelta = timedelta(days=7)
    link: timedelta = timedelta(minutes=15)
    invitation: timedelta = timedelta(days=3)
    fresh: timedelta = timedelta(minutes=15)
    device: timedelta = timedelta(days=180)
    devices: int = 20


def is_token(text: str) -> bool:
    """Whether a text can be one of the hub's tokens: 32 bytes in URL-safe base64."""
    return _TOKEN.fullmatch(text) is not None


def form_token(session: str) -> str:
    """What a form must bring along: only who knows the session's token, which stands in an HttpOnly cookie, can make it."""
    return _made_of(session, b"hub form 1")


def device_token(session: str) -> str:
    """What a browser keeps when the session is over, to show that somebody has logged in with it before.

    It lets nobody in. It has a count of wrong passwords of its own, so that strangers' do not keep its operator out.
    https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies
    """
    return _made_of(session, b"hub device 1")


def _made_of(session: str, purpose: bytes) -> str:
    made = hmac.digest(session.encode(), purpose, hashlib.sha256)
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def shortened_agent(user_agent: str) -> str:
    """A browser as the list of sessions shows it: printable, and no longer than needed to recognise it."""
    clean = "".join(character for character in user_agent if character.isprintable())
    return clean if len(clean) <= _MAX_AGENT else clean[: _MAX_AGENT - 1] + "…"


def is_safe_path(path: str) -> bool:
    r"""Whether a login may lead on to it: a path of the console, and not, as browsers read it, another site.

    `//host` and `/\host` are other sites to a browser, it leaves out tabs and line breaks before it looks, and `..` leads out
    of the console, to whatever else is served under the name (https://url.spec.whatwg.org/#double-dot-path-segment).
    """
    return (
        path.isascii()
        and path.isprintable()
        and len(path) <= 2_000
        and "\\" not in path
        and not any(_DOTS.fullmatch(part) for part in path.partition("?")[0].partition("#")[0].split("/"))
        and (path == "/console" or path.startswith(("/console/", "/console?")))
    )
