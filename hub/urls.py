"""What may be written as the address of a database, a Redis or a provider.

Every function raises a ValueError that says what is expected and shows nothing of the address, which may hold a password.
"""

import re
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?")


def check_postgres(url: str) -> None:
    """A libpq URL: one host or several, or a directory of sockets as `?host=`.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
    """
    parts = _split(url)
    if parts.scheme.startswith("postgresql+"):
        raise ValueError("begins with a driver's name: write postgresql://")
    if parts.scheme not in {"postgresql", "postgres"} or not url.lower().startswith(f"{parts.scheme}://"):
        raise ValueError("must be postgresql://user:password@host:port/database")
    if _hosts(parts):
        _check_hosts(parts)
    elif not parse_qs(parts.query).get("host"):
        raise ValueError("names no host: write postgresql://host/database, or ?host=/directory/of/the/socket")


def check_redis(url: str) -> None:
    """`redis://host:port/number`, `rediss://` with TLS, or `unix:///path/of/the/socket`."""
    parts = _split(url)
    if parts.scheme == "unix":
        if _hosts(parts) or not parts.path.startswith("/"):
            raise ValueError("must name the whole path of the socket: unix:///path/of/the/socket")
        return
    if parts.scheme not in {"redis", "rediss"} or not _hosts(parts):
        raise ValueError("must be redis://host:port/0, rediss:// or unix:///path/of/the/socket")
    _check_hosts(parts, most=1)
    if not re.fullmatch(r"/?\d{0,4}", parts.path):
        raise ValueError("must end with the number of the database, such as /0, or with nothing")


def check_dsn(url: str) -> None:
    """What Sentry calls a DSN: https://docs.sentry.io/concepts/key-terms/dsn-explainer/"""
    parts = _split(url)
    is_whole = parts.username and parts.hostname and re.fullmatch(r"(?:/[\w.-]+)*/\d+", parts.path)
    if parts.scheme not in {"http", "https"} or not is_whole:
        raise ValueError("must be a Sentry DSN: https://key@host/project")


def base_url(url: str) -> str:
    """Where a provider lives: http(s) or smtp(s), a host, perhaps a path, and nothing secret."""
    parts = _split(url)
    if parts.scheme not in {"http", "https", "smtp", "smtps"} or not _hosts(parts):
        raise ValueError("must be http://, https://, smtp:// or smtps:// and a host")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "must hold no user, password, query or fragment: credentials have settings of their own"
        )
    _check_hosts(parts, most=1)
    return url.rstrip("/")


def passwords_in(url: str) -> set[str]:
    """The passwords an address holds, as they are written there and as they are meant."""
    parts = urlsplit(url)
    _, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return {password, unquote(password), *parse_qs(parts.query).get("password", ())} - {""}


def shown(url: str) -> str:
    """The address of a store as it may be told: without user, password and options."""
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2] or ",".join(parse_qs(parts.query).get("host", ()))
    return f"{parts.scheme}://{hosts}{parts.path}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is not a URL: an address in brackets is broken") from None
    if re.search(r"\s", url) or parts.fragment:
        raise ValueError("holds a blank or '#': in a password write them as %20 and %23")
    if parts.netloc.count("@") > 1:
        raise ValueError("holds more than one '@': in a password write it as %40")
    return parts


def _hosts(parts: SplitResult) -> list[str]:
    return [host for host in parts.netloc.rpartition("@")[2].split(",") if host]


def _check_hosts(parts: SplitResult, most: int = 16) -> None:
    hosts = _hosts(parts)
    if len(hosts) > most:
        raise ValueError(f"must name at most {most} host{'s' if most > 1 else ''}")
    for host in hosts:
        found = _HOST.fullmatch(host)
        if found is None or int(found[1] or 1) not in range(1, 65_536):
            raise ValueError(
                "holds a host or port that cannot be one; in a password write / as %2F and : as %3A"
            )
