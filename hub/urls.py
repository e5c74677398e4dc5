"""What may be written as the address of a database, a Redis or a provider.

Every function raises a ValueError that says what is expected and shows nothing of the address, which may hold a password.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit

SENTINEL_PORT = 26379
_SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
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
    if session_attributes(url) not in {None, "any", "primary", "read-write"}:
        raise ValueError("the hub writes: target_session_attrs must be primary or read-write")


def session_attributes(url: str) -> str | None:
    """What a PostgreSQL URL wants of the server, if it says so."""
    return parse_qs(urlsplit(url).query).get("target_session_attrs", [None])[-1]


def each_host(url: str) -> tuple[str, ...]:
    """A PostgreSQL URL for each host that one names, in their order."""
    parts = urlsplit(url)
    if hosts := _hosts(parts):
        user, at, _ = parts.netloc.rpartition("@")
        return tuple(parts._replace(netloc=f"{user}{at}{host}").geturl() for host in hosts)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    hosts = query.get("host", "").split(",")
    ports = query.get("port", "").split(",")
    if len(hosts) == 1:
        return (url,)
    each = zip(hosts, ports if len(ports) == len(hosts) else ports[:1] * len(hosts), strict=True)
    return tuple(_with_query(parts, {**query, "host": host, "port": port}) for host, port in each)


def check_redis(url: str) -> None:
    """`redis://host:port/number`, `rediss://` with TLS, `unix:///path/of/the/socket`, or `redis+sentinel://` (see
    `SentinelUrl`).
    """
    parts = _split(url)
    if parts.scheme in _SENTINEL_SCHEMES:
        _check_sentinel(parts)
        return
    if parts.scheme == "unix":
        if _hosts(parts) or not parts.path.startswith("/"):
            raise ValueError("must name the whole path of the socket: unix:///path/of/the/socket")
        return
    if parts.scheme not in {"redis", "rediss"} or not _hosts(parts):
        raise ValueError(
            "must be redis://host:port/0, rediss://, unix:///path/of/the/socket or redis+sentinel://host,host/name/0"
        )
    _check_hosts(parts, most=1)
    if not re.fullmatch(r"/?\d{0,4}", parts.path):
        raise ValueError("must end with the number of the database, such as /0, or with nothing")


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """`redis+sentinel://user:password@host:26379,host:26379/name/0`, and `rediss+sentinel://` with TLS.

    User and password are those of the Redis servers; those of the Sentinels are given as `?sentinel_username=` and
    `?sentinel_password=`.

    Attributes:
        sentinels: hosts and ports.
        master: the name by which the Sentinels know the servers.
    """

    sentinels: tuple[tuple[str, int], ...]
    master: str
    database: int
    tls: bool
    username: str | None
    password: str | None = field(repr=False)
    sentinel_username: str | None
    sentinel_password: str | None = field(repr=False)


def sentinel_url(url: str) -> SentinelUrl | None:
    """What a URL of Sentinels says; None for another kind."""
    parts = urlsplit(url)
    if parts.scheme not in _SENTINEL_SCHEMES:
        return None
    _, master, *database = parts.path.split("/")
    hosts = [urlsplit(f"//{host}") for host in _hosts(parts)]
    query = parse_qs(parts.query)
    return SentinelUrl(
        sentinels=tuple((host.hostname or "", host.port or SENTINEL_PORT) for host in hosts),
        master=unquote(master),
        database=int(database[0]) if database and database[0] else 0,
        tls=parts.scheme.startswith("rediss"),
        username=unquote(parts.username or "") or None,
        password=unquote(parts.password or "") or None,
        sentinel_username=query.get("sentinel_username", [None])[-1],
        sentinel_password=query.get("sentinel_password", [None])[-1],
    )


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


def site_url(url: str) -> str:
    """Where people reach the hub: http(s) and a host, without a path."""
    parts = _split(base_url(url))
    if parts.scheme not in {"http", "https"} or parts.path:
        raise ValueError("must be http:// or https:// and a host, without a path")
    # As browsers write an origin, which it is compared with: small letters, and no port where it is the usual one.
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(usual)}"


def issuer_url(url: str) -> str:
    """An OpenID Connect issuer: https, but for one on this machine. It is compared to the letter, so it is not tidied."""
    base_url(url)
    parts = _split(url)
    is_local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise ValueError("must be https://, or http:// on this machine")
    return url


def listening(host: str, port: int) -> str:
    """The address of what listens there, seen from the same machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - taken back
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def passwords_in(url: str) -> set[str]:
    """The passwords an address holds, as they are written there and as they are meant."""
    parts = urlsplit(url)
    _, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return {password, unquote(password), *_in_query(parts)} - {""}


def _in_query(parts: SplitResult) -> Iterator[str]:
    for name in ("password", "sentinel_password"):
        for password in parse_qs(parts.query).get(name, ()):
            yield password
            yield quote(password, safe="")


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


def _check_sentinel(parts: SplitResult) -> None:
    if not _hosts(parts):
        raise ValueError("must name the Sentinels: redis+sentinel://host:26379,host:26379/name/0")
    _check_hosts(parts)
    if not re.fullmatch(r"/[^/]+(?:/\d{0,4})?", parts.path):
        raise ValueError(
            "must end with the master's name, and perhaps the number of the database: /mymaster/0"
        )
    if unknown := parse_qs(parts.query).keys() - {"sentinel_username", "sentinel_password"}:
        raise ValueError(
            f"has an unknown option, {min(unknown)}: there are sentinel_username and sentinel_password"
        )


def _with_query(parts: SplitResult, query: Mapping[str, str]) -> str:
    given = {name: value for name, value in query.items() if value}
    # geturl() drops the two slashes that an empty host stands between.
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{urlencode(given, quote_via=quote)}"


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
