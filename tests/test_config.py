"""The settings: what is taken, what is refused, and how it is told."""

from datetime import timedelta
from pathlib import Path

import pytest

from hub.config import Config, describe, load
from hub.domain.access import Role
from hub.domain.errors import ConfigurationError
from hub.domain.providers import Auth, Provider, bearer
from hub.domain.signatures import standard_webhooks, timestamped_hex
from hub.domain.sources import Source, field

SOURCES = {
    "stripe": Source(
        "stripe",
        timestamped_hex("Stripe-Signature", tolerance=timedelta(minutes=5)),
        field("id"),
        field("type"),
    ),
    "pay-pal": Source("pay-pal", standard_webhooks(), field("id"), field("type")),
}
PROVIDERS = {
    "stripe": Provider("stripe", "https://api.stripe.com", bearer("secret_key")),
    "email": Provider("email", settings=("username", "password", "starttls")),
    "sms-gate": Provider("sms-gate", "https://sms.example", Auth("header", "api_key", "X-Api-Key")),
}


def read(**environ: str) -> Config:
    return load(environ, sources=SOURCES, providers=PROVIDERS)


def problems(**environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read(**environ)
    return caught.value.problems


def test_nothing_has_to_be_set() -> None:
    """The embedded servers, the documented address and the documented limits."""
    config = read(PATH="/bin")
    assert (config.web.host, config.web.port) == ("127.0.0.1", 8080)
    assert config.web.max_body == config.web.max_webhook_body == 1024 * 1024
    assert (config.database_url, config.redis_url, config.var_dir) == (None, None, Path("var"))
    assert config.worker.concurrency == 100
    assert config.worker.queues == ()
    assert config.relay.tick == timedelta(seconds=0.5)
    assert config.secrets_of("stripe") == ()
    assert list(config.secrets()) == []


def test_everything_wrong_is_told_in_one_message() -> None:
    """One start, one list, one repair."""
    told = problems(
        HUB_PORT="80800",
        HUB_DATABSE_URL="postgresql://db/hub",
        HUB_REDIS_URL="http://redis",
        HUB_WEBHOOK_STRIPE_SECRET="a,,b",
        HUB_WORKER_LEASE="1",
        HUB_LOG_LEVEL="loud",
        HUB_HOST="",
        HUB_STRIPE_BASE_URL="ftp://stripe",
        HUB_NOTHING_LIKE_IT="1",
    )
    assert told == (
        "HUB_REDIS_URL: must be redis://host:port/0, rediss://, unix:///path/of/the/socket or redis+sentinel://host,host/name/0",
        "HUB_HOST is empty: give it a value, or unset it",
        "HUB_PORT='80800': must be a whole number from 0 to 65,535",
        "HUB_WORKER_HEARTBEAT must be at most half of HUB_WORKER_LEASE: one late renewal would lose every job",
        "HUB_LOG_LEVEL='loud': must be one of debug, info, warning, error",
        "HUB_WEBHOOK_STRIPE_SECRET: secret 2 of the list is empty, which anyone could sign with",
        "HUB_STRIPE_BASE_URL='ftp://stripe': must be http://, https://, smtp:// or smtps:// and a host",
        "HUB_STRIPE_SECRET_KEY is missing, and HUB_STRIPE_BASE_URL is set: set both or none",
        "HUB_DATABSE_URL is not a setting and has no effect: did you mean HUB_DATABASE_URL?",
        "HUB_NOTHING_LIKE_IT is not a setting and has no effect: unset it; the reference lists what there is",
    )


def test_an_unknown_name_is_warned_of_with_the_nearest_known_one() -> None:
    """It stops no start: the next release may know it."""
    config = read(HUB_DATABSE_URL="postgresql://db/hub", HUB_NOTHING_LIKE_IT="1", PATH="/bin")
    assert config.warnings[:2] == (
        "HUB_DATABSE_URL is not a setting and has no effect: did you mean HUB_DATABASE_URL?",
        "HUB_NOTHING_LIKE_IT is not a setting and has no effect: unset it; the reference lists what there is",
    )


def test_what_is_set_is_taken() -> None:
    """Numbers, times, lists, words in any case."""
    config = read(
        HUB_HOST="::",
        HUB_PORT="0",
        HUB_RATE_LIMIT="0.5",
        HUB_WORKER_QUEUES="payments, mail",
        HUB_WORKER_HEARTBEAT="0.1",
        HUB_LOG_LEVEL="WARNING",
        HUB_LOG_FORMAT="json",
        HUB_VAR_DIR="/srv/hub",
        HUB_SENTRY_DSN="https://key@sentry.example/prefix/42",
        HUB_ENVIRONMENT="production",
        HUB_RELEASE="2026.11.1",
    )
    assert (config.web.host, config.web.port, config.web.rate_limit) == ("::", 0, 0.5)
    assert config.worker.queues == ("payments", "mail")
    assert config.worker.heartbeat == timedelta(milliseconds=100)
    assert (config.log.level, config.log.format) == ("warning", "json")
    assert (config.var_dir, config.environment, config.release) == (
        Path("/srv/hub"),
        "production",
        "2026.11.1",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUB_PORT", "8_080"),
        ("HUB_PORT", "+1"),
        ("HUB_PORT", " 80"),
        ("HUB_PORT", "\u0668\u0660"),
        ("HUB_RELAY_TICK", "nan"),
        ("HUB_RELAY_TICK", "inf"),
        ("HUB_RELAY_TICK", "soon"),
        ("HUB_WORKER_QUEUES", "payments,"),
        ("HUB_WORKER_QUEUES", "Payments"),
        ("HUB_ENVIRONMENT", "a\nb"),
        ("HUB_SENTRY_DSN", "https://sentry.example/42"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(name: str, value: str) -> None:
    """Rather than taken for something near it."""
    assert [problem.startswith(name) for problem in problems(**{name: value})] == [True]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db/hub",
        "postgres://hub:p%40ss@db:5432/hub?sslmode=verify-full",
        "postgresql://hub@db1:5432,db2:5433/hub?target_session_attrs=read-write",
        "postgresql://hub@[::1]:5432/hub",
        "postgresql:///hub?host=/run/postgresql",
        "postgresql://hub@/hub?host=/run/postgresql&port=5433",
    ],
)
def test_a_database_s_address_may_have_every_usual_shape(url: str) -> None:
    """Several hosts and a directory of sockets too."""
    config = read(HUB_DATABASE_URL=url)
    assert config.database_url is not None
    assert config.database_url.reveal() == url


@pytest.mark.parametrize(
    "url",
    [
        "mysql://hub:hunter2222@db/hub",
        "postgresql+asyncpg://hub:hunter2222@db/hub",
        "postgresql:///hub",
        "postgresql://hub:hunter2222@db:99999/hub",
        "postgresql://hub:hunter2222#x@db/hub",
        "postgresql://hub:hunter2222@x@db/hub",
        "postgresql://hub:hunter2222/x@db/hub",
        "postgresql://[::1/hunter2222",
        "hunter2222",
    ],
)
def test_a_wrong_database_address_is_told_without_its_password(url: str) -> None:
    """The message ends in somebody's log."""
    told = problems(HUB_DATABASE_URL=url)
    assert len(told) == 1
    assert "hunter2222" not in told[0]


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis",
        "redis://:pw@redis:6379/1",
        "rediss://u:pw@redis.example:6380",
        "unix:///run/redis.sock",
    ],
)
def test_a_redis_may_be_reached_by_tcp_tls_or_socket(url: str) -> None:
    """The three ways there are."""
    config = read(HUB_REDIS_URL=url)
    assert config.redis_url is not None
    assert config.redis_url.reveal() == url


@pytest.mark.parametrize("url", ["redis:///0", "unix://run/redis.sock", "redis://a,b", "redis://redis/zero"])
def test_a_wrong_redis_address_is_refused(url: str) -> None:
    """No host, a relative path, two hosts, a database without a number."""
    assert len(problems(HUB_REDIS_URL=url)) == 1


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """One trailing newline is the editor's, not the secret's."""
    file = tmp_path / "secret"
    file.write_text("whsec one,two\r\n")
    assert read(HUB_WEBHOOK_STRIPE_SECRET_FILE=str(file)).secrets_of("stripe") == ("whsec one", "two")


def test_a_secret_s_file_is_refused_where_it_cannot_be_meant(tmp_path: Path) -> None:
    """Both given, not there, empty, not text, several lines."""
    for name, content in (("empty", b"\n"), ("binary", b"\xff"), ("lines", b"one\ntwo\n")):
        (tmp_path / name).write_bytes(content)
    told = problems(
        HUB_STRIPE_SECRET_KEY="sk",
        HUB_STRIPE_SECRET_KEY_FILE="/x",
        HUB_REDIS_URL_FILE=str(tmp_path / "missing"),
    )
    assert told[0].endswith("missing: cannot be read (No such file or directory)")
    assert told[1] == "HUB_STRIPE_SECRET_KEY and HUB_STRIPE_SECRET_KEY_FILE are both set: unset one of them"
    assert len(told) == 2
    for name in ("empty", "binary", "lines"):
        assert len(problems(HUB_EMAIL_PASSWORD_FILE=str(tmp_path / name))) == 1


def test_what_is_no_secret_has_no_file() -> None:
    """HUB_PORT_FILE is a typing error like any other."""
    told = "HUB_PORT_FILE is not a setting and has no effect: did you mean HUB_PORT?"
    assert read(HUB_PORT_FILE="/x").warnings[0] == told


def test_several_webhook_secrets_are_kept_in_order_while_rotating() -> None:
    """Blanks around the commas do not count."""
    assert read(HUB_WEBHOOK_STRIPE_SECRET="old, new").secrets_of("stripe") == ("old", "new")


def test_a_webhook_secret_that_cannot_be_a_key_stops_the_start() -> None:
    """Told by its place, not by its value."""
    told = problems(HUB_WEBHOOK_PAY_PAL_SECRET="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,whsec_not!base64")
    assert told == ("HUB_WEBHOOK_PAY_PAL_SECRET: secret 2 of the list cannot be one of pay-pal's",)


def test_a_provider_s_credentials_and_address_are_found_by_its_names() -> None:
    """`-` becomes `_`, and further settings are optional."""
    config = read(
        HUB_SMS_GATE_API_KEY="k" * 10,
        HUB_SMS_GATE_BASE_URL="http://127.0.0.1:9/x/",
        HUB_EMAIL_BASE_URL="smtp://mail:25",
        HUB_EMAIL_PASSWORD="p w",
    )
    assert config.providers["sms-gate"].base_url == "http://127.0.0.1:9/x"
    assert config.providers["sms-gate"].revealed() == {"api_key": "k" * 10}
    assert config.providers["email"].revealed() == {"password": "p w"}
    assert config.providers["stripe"].missing == ("HUB_STRIPE_SECRET_KEY",)


@pytest.mark.parametrize(
    "url", ["https://u:p@h", "https://h?key=1", "https://h#x", "h", "https://", "https://h:0", "https://a b"]
)
def test_a_provider_s_address_holds_no_credentials(url: str) -> None:
    """It stands in logs and on pages."""
    assert len(problems(HUB_EMAIL_BASE_URL=url)) == 1


def test_what_is_not_configured_is_warned_of() -> None:
    """It is allowed, and may not be meant."""
    assert read(HUB_WEBHOOK_STRIPE_SECRET="x", HUB_STRIPE_SECRET_KEY="y").warnings == (
        "HUB_WEBHOOK_PAY_PAL_SECRET is not set: every delivery of pay-pal is answered with 401",
        "HUB_SMS_GATE_API_KEY is not set: sms-gate cannot be called",
    )


def test_what_kubernetes_writes_for_services_is_not_ours() -> None:
    """Except where it hits a setting: then the message says whence it came."""
    links = {
        "HUB_SERVICE_HOST": "10.0.0.1",
        "HUB_SERVICE_PORT_HTTP": "80",
        "HUB_PORT_80_TCP_ADDR": "10.0.0.1",
        "HUB_WEB_PORT": "tcp://10.0.0.1:80",
        "HUB_WEB_PORT_80_TCP": "tcp://10.0.0.1:80",
    }
    assert read(**links).web.port == 8080
    assert "enableServiceLinks" in problems(HUB_PORT="tcp://10.0.0.1:80")[0]


def test_no_repr_shows_a_secret_and_the_redactor_learns_each() -> None:
    """Settings end in tracebacks."""
    config = read(
        HUB_DATABASE_URL="postgresql://hub:secret%2D1@db/hub",
        HUB_REDIS_URL="redis://:secret-2@redis",
        HUB_WEBHOOK_STRIPE_SECRET="secret-3,secret-4",
        HUB_STRIPE_SECRET_KEY="secret-5",
        HUB_SENTRY_DSN="https://secret-6@sentry.example/1",
    )
    assert "secret-" not in f"{config!r} {config}"
    assert set(config.secrets()) == {"secret%2D1", *(f"secret-{n}" for n in range(1, 6))}


def test_a_setting_that_is_no_secret_is_not_blotted_out() -> None:
    """`required` is a word that many an error needs."""
    config = read(HUB_EMAIL_STARTTLS="required", HUB_EMAIL_PASSWORD="secret-1")
    assert set(config.secrets()) == {"secret-1"}


def test_two_names_that_would_share_a_variable_are_refused() -> None:
    """`a-b` and `a_b`, or a provider that takes the name of a setting of the hub."""
    twins = {"a-b": Provider("a-b"), "a_b": Provider("a_b"), "log": Provider("log", auth=bearer("level"))}
    with pytest.raises(ConfigurationError) as caught:
        load({}, sources={}, providers=twins)
    assert [problem.partition(" ")[0] for problem in caught.value.problems] == [
        "HUB_A_B_BASE_URL",
        "HUB_LOG_LEVEL",
    ]


def test_the_reference_lists_every_setting_once() -> None:
    """With its default, what it is, and whether it may come from a file."""
    settings = {setting.name: setting for setting in describe(SOURCES, PROVIDERS)}
    assert len(settings) == len(describe(SOURCES, PROVIDERS))
    assert settings["HUB_PORT"].default == "8080"
    assert settings["HUB_WEBHOOK_PAY_PAL_SECRET"].secret
    assert settings["HUB_STRIPE_BASE_URL"].default == "https://api.stripe.com"
    assert settings["HUB_EMAIL_USERNAME"].secret
    assert all(setting.what and setting.default for setting in settings.values())


def test_what_may_wait_is_bounded_and_can_be_set() -> None:
    """In number, bytes and time, with defaults that a provider's patience bears; patience cannot exceed the deadline."""
    pending = read(HUB_PENDING_LIMIT="7", HUB_PENDING_PATIENCE="0.5").pending
    assert (pending.limit, pending.bytes) == (7, 64 * 1024 * 1024)
    assert pending.patience == timedelta(seconds=0.5)
    assert read().pending.deadline == timedelta(seconds=8)
    assert "HUB_PENDING_PATIENCE" in problems(HUB_PENDING_PATIENCE="9")[0]


OIDC = {
    "HUB_OIDC_ISSUER": "https://login.example.com/realm",
    "HUB_OIDC_CLIENT_ID": "hub",
    "HUB_OIDC_CLIENT_SECRET": "sesame",
    "HUB_PUBLIC_URL": "https://Hub.example.com:443/",
}


def test_an_identity_provider_is_whole_or_not_there() -> None:
    """With the groups that give roles, and the address to lead back to, as browsers write it."""
    found = load({**OIDC, "HUB_OIDC_ROLES": "a=b=admin, staff=viewer"}, sources={}, providers={})
    assert found.oidc is not None
    assert found.oidc.issuer == "https://login.example.com/realm"
    assert dict(found.oidc.roles) == {"a=b": Role.ADMIN, "staff": Role.VIEWER}
    assert found.web.address == "https://hub.example.com"
    assert "sesame" in set(found.secrets())
    assert load({}, sources={}, providers={}).oidc is None
    for missing in OIDC:
        with pytest.raises(ConfigurationError):
            load({name: value for name, value in OIDC.items() if name != missing}, sources={}, providers={})


@pytest.mark.parametrize(
    "wrong",
    [
        {"HUB_OIDC_ISSUER": "http://login.example.com"},
        {"HUB_OIDC_ROLES": "staff"},
        {"HUB_OIDC_ROLES": "staff=root"},
        {"HUB_OIDC_ROLES": "=viewer"},
        {"HUB_PUBLIC_URL": "https://hub.example.com/path"},
        {"HUB_PUBLIC_URL": "ftp://hub.example.com"},
        {"HUB_SESSION_IDLE": "0"},
        {"HUB_PROXIES": "-1"},
    ],
    ids=str,
)
def test_what_would_let_in_the_wrong_people_stops_the_start(wrong: dict[str, str]) -> None:
    """Each with a sentence that names the variable."""
    [name] = wrong
    with pytest.raises(ConfigurationError, match=name):
        load({**OIDC, **wrong}, sources={}, providers={})


def test_proxies_without_an_address_are_warned_of() -> None:
    """They may speak TLS for the hub, which then sets cookies as if nobody did."""
    told = "HUB_PROXIES is set and HUB_PUBLIC_URL is not: the console's cookies are not bound to TLS"
    assert told in read(HUB_PROXIES="1").warnings
    assert told not in read(HUB_PROXIES="1", HUB_PUBLIC_URL="https://hub.example.com").warnings
    assert told not in read().warnings
