"""Logging in through an identity provider that serves on a socket, with good answers, forged ones and those of others."""

import asyncio
import base64
import hmac
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import asyncpg
import orjson
import pytest
from joserfc.jwk import OctKey, RSAKey

from hub.domain.access import Role
from tests.clock import Clock
from tests.services.people import somebody
from tests.simulators.oidc import CLIENT, SECRET, Provider, identity_provider, signed
from tests.web.client import Answer
from tests.web.people import LOGIN, Browser, Town, town

EMAIL = "ada@example.com"
GO = "/console/login/oidc"
BACK = "https://hub.example.com/console/login/oidc/done"


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """It knows Ada, whose address it has verified."""
    async with identity_provider(sub="ada-1", email=EMAIL, email_verified=True, name="Ada") as made:
        yield made


@pytest.fixture
def steady() -> Clock:
    """The hub's steady clock."""
    return Clock()


@pytest.fixture
async def place(provider: Provider, database_url: str, redis_url: str, steady: Clock) -> AsyncIterator[Town]:
    """A hub that trusts it."""
    async with town(
        database_url,
        redis_url,
        steady=steady,
        HUB_OIDC_ISSUER=provider.issuer,
        HUB_OIDC_CLIENT_ID=CLIENT,
        HUB_OIDC_CLIENT_SECRET=SECRET,
        HUB_OIDC_ROLES="staff=viewer, ops=operator, chiefs=admin",
        HUB_PUBLIC_URL="https://hub.example.com",
    ) as made:
        yield made


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The tables, behind the hub's back."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


class Person:
    """A browser behind the proxy that speaks TLS: it keeps its cookies by hand, as it is reached over plain HTTP here."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.cookies: dict[str, str] = {}

    async def get(self, path: str) -> Answer:
        """A page."""
        shown = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with self.browser.session.get(
            self.browser.base + path, headers={"Cookie": shown}, allow_redirects=False
        ) as response:
            for name, morsel in response.cookies.items():
                self.cookies[name] = morsel.value
            return Answer(response.status, response.headers, await response.read())

    async def go(self, after: str = "/console/queues") -> str:
        """To the provider; gives where it leads back to."""
        sent = await self.get(f"{GO}?{urlencode({'next': after})}")
        assert sent.status == 303, sent.body
        async with (
            aiohttp.ClientSession() as session,
            session.get(sent.headers["Location"], allow_redirects=False) as response,
        ):
            where = response.headers["Location"]
        assert where.startswith(BACK + "?")
        return where.removeprefix("https://hub.example.com")

    async def log_in(self, after: str = "/console/queues") -> Answer:
        """There and back."""
        return await self.get(await self.go(after))

    @property
    def is_in(self) -> bool:
        """Whether they have a session."""
        return bool(self.cookies.get("__Host-hub-session"))


@pytest.fixture
async def person(place: Town) -> Person:
    """Somebody with a browser."""
    return Person(await place.browser())


async def test_whom_an_administrator_has_made_gets_in(
    place: Town, person: Person, provider: Provider
) -> None:
    """By the address that the provider has verified, then by who they are there, whatever their address has become."""
    await somebody(place.hub, role="operator", password=None)
    page = (await person.get(LOGIN)).body.decode()
    assert "Log in with the identity provider" in page
    answer = await person.log_in("/console/queues?x=1")
    assert (answer.status, answer.headers["Location"]) == (303, "/console/queues?x=1")
    assert (await person.get("/console/queues")).status == 200
    provider.person["email"] = "countess@example.com"
    again = Person(await place.browser())
    assert (await again.log_in()).status == 303
    assert "ada@example.com" in (await again.get("/console/account")).body.decode()


async def test_whom_nobody_has_made_is_not_let_in(place: Town, person: Person) -> None:
    """Though the provider knows them: closed by default."""
    await somebody(place.hub, "other@example.com")
    answer = await person.log_in()
    assert (answer.status, person.is_in) == (401, False)
    assert "ask an administrator" in answer.body.decode()
    assert len(await place.hub.operators.list()) == 1


@pytest.mark.parametrize("verified", [None, False, "false", "yes", 1])
async def test_an_address_that_is_not_verified_is_nobodys(
    place: Town, person: Person, provider: Provider, verified: object
) -> None:
    """Or whoever may choose their address at the provider could be anybody here."""
    await somebody(place.hub, password=None)
    provider.person["email_verified"] = verified
    assert (await person.log_in()).status == 401


async def test_somebody_else_with_the_address_is_not_let_in(
    place: Town, person: Person, provider: Provider
) -> None:
    """Once it was somebody's who came from there, it stays theirs."""
    await somebody(place.hub, password=None)
    assert (await person.log_in()).status == 303
    provider.person |= {"sub": "eve-1"}
    assert (await Person(await place.browser()).log_in()).status == 401


async def test_a_group_gives_a_role_and_takes_it_away(
    place: Town, person: Person, provider: Provider
) -> None:
    """The highest of them; when none is left, they and their sessions are out."""
    provider.person["groups"] = ["staff", "ops", "choir"]
    assert (await person.log_in()).status == 303
    ada = await place.hub.operators.find(EMAIL)
    assert (ada.role, ada.role_by_provider) == (Role.OPERATOR, True)
    provider.person["groups"] = "staff"
    assert (await Person(await place.browser()).log_in()).status == 303
    assert (await place.hub.operators.find(EMAIL)).role is Role.VIEWER
    provider.person["groups"] = ["choir"]
    assert (await Person(await place.browser()).log_in()).status == 401
    assert (await person.get("/console/queues")).status == 303


async def test_the_last_administrator_stays_one_whatever_the_groups_say(
    place: Town, person: Person, provider: Provider, database: Any
) -> None:
    """They are told, and the audit log says so; with another administrator there they follow their groups again."""
    provider.person["groups"] = ["chiefs"]
    assert (await person.log_in()).status == 303
    provider.person["groups"] = ["staff"]
    answer = await Person(await place.browser()).log_in("/console/queues?x=1")
    assert answer.headers["Location"] == "/console/queues?x=1&notice=last-admin"
    ada = await place.hub.operators.find(EMAIL)
    assert (ada.role, ada.role_by_provider) == (Role.ADMIN, True)
    said = "SELECT action, detail FROM audit_log WHERE action LIKE 'operator.role%' ORDER BY id"
    kept = ("operator.role-kept", '{"by": "identity provider", "role": "viewer"}')
    assert [tuple(row) for row in await database.fetch(said)] == [kept]
    assert (
        "You stay one until there is another"
        in (await person.get("/console/queues?notice=last-admin")).body.decode()
    )
    await somebody(place.hub, "eve@example.com", "admin")
    answer = await Person(await place.browser()).log_in()
    assert answer.headers["Location"] == "/console/queues"
    assert (await place.hub.operators.find(EMAIL)).role is Role.VIEWER
    assert [row["action"] for row in await database.fetch(said)] == ["operator.role-kept", "operator.role"]


async def test_whoever_has_no_group_any_more_is_no_administrator_that_another_is_spared_for(
    place: Town, provider: Provider, database: Any
) -> None:
    """Or the other could be demoted, and the one who is left would be refused at every log-in."""
    provider.person["groups"] = ["chiefs"]
    for name in ("ada", "eve"):
        provider.person |= {"sub": name, "email": f"{name}@example.com"}
        assert (await Person(await place.browser()).log_in()).status == 303
    provider.person |= {"sub": "ada", "email": EMAIL, "groups": []}
    assert (await Person(await place.browser()).log_in()).status == 401
    provider.person |= {"sub": "eve", "email": "eve@example.com", "groups": ["staff"]}
    answer = await Person(await place.browser()).log_in()
    assert answer.headers["Location"].endswith("notice=last-admin")
    roles = {one.email: one.role for one in await place.hub.operators.list()}
    assert roles == {EMAIL: Role.VIEWER, "eve@example.com": Role.ADMIN}
    provider.person["groups"] = []
    assert (await Person(await place.browser()).log_in()).status == 401
    assert (await place.hub.operators.find("eve@example.com")).role is Role.ADMIN
    assert await place.hub.logins.sessions((await place.hub.operators.find("eve@example.com")).id) == []
    said = "SELECT actor, action FROM audit_log WHERE action LIKE 'operator.role%' ORDER BY id"
    assert [tuple(row) for row in await database.fetch(said)] == [
        (EMAIL, "operator.role"),
        ("eve@example.com", "operator.role-kept"),
        ("eve@example.com", "operator.role-kept"),
    ]


async def test_of_two_administrators_whose_groups_are_taken_at_once_one_stays(
    place: Town, provider: Provider
) -> None:
    """Each sees the other's role as it is, and not as it was."""
    people = []
    provider.person["groups"] = ["chiefs"]
    for name in ("ada", "eve"):
        provider.person |= {"sub": name, "email": f"{name}@example.com"}
        people.append(Person(await place.browser()))
        assert (await people[-1].log_in()).status == 303
    provider.person["groups"] = ["staff"]
    returns: list[str] = []
    for name in ("ada", "eve"):
        provider.person |= {"sub": name, "email": f"{name}@example.com"}
        returns.append(await people[len(returns)].go())
    answers = await asyncio.gather(*(one.get(path) for one, path in zip(people, returns, strict=True)))
    assert [answer.status for answer in answers] == [303, 303]
    assert sorted(one.role for one in await place.hub.operators.list()) == [Role.ADMIN, Role.VIEWER]


async def test_a_role_that_an_administrator_gave_stays(
    place: Town, person: Person, provider: Provider
) -> None:
    """Whatever the groups say."""
    provider.person["groups"] = ["staff"]
    await person.log_in()
    ada = await place.hub.operators.find(EMAIL)
    await place.hub.operators.set_role(ada.id, Role.ADMIN, actor="test")
    provider.person["groups"] = []
    assert (await Person(await place.browser()).log_in()).status == 303
    assert (await place.hub.operators.find(EMAIL)).role is Role.ADMIN


async def test_whoever_is_disabled_does_not_get_in_through_the_provider(place: Town, person: Person) -> None:
    """Not before they came from there, and not afterwards."""
    ada = await somebody(place.hub, password=None)
    await place.hub.operators.disable(ada.id, actor="test")
    assert (await person.log_in()).status == 401
    await place.hub.operators.enable(ada.id, actor="test")
    assert (await person.log_in()).status == 303
    await place.hub.operators.disable(ada.id, actor="test")
    assert (await Person(await place.browser()).log_in()).status == 401


def _unsigned(claims: dict[str, Any]) -> str:
    return b".".join(map(_encoded, (orjson.dumps({"alg": "none"}), orjson.dumps(claims), b""))).decode()


def _by_another_key(claims: dict[str, Any]) -> str:
    return signed(claims, RSAKey.generate_key(2048, auto_kid=True))


def _by_another_key_of_the_same_name(provider: Provider) -> Callable[[dict[str, Any]], str]:
    return lambda claims: signed(claims, RSAKey.generate_key(2048), kid=provider.key.kid)


def _by_the_public_key_as_a_secret(provider: Provider) -> Callable[[dict[str, Any]], str]:
    # By hand: libraries refuse to.
    def sign(claims: dict[str, Any]) -> str:
        parts = orjson.dumps({"alg": "HS256", "kid": provider.key.kid}), orjson.dumps(claims)
        said = b".".join(_encoded(part) for part in parts)
        digest = hmac.digest(provider.key.as_pem(private=False), said, "sha256")
        return b".".join((said, _encoded(digest))).decode()

    return sign


def _encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _by_the_clients_secret(claims: dict[str, Any]) -> str:
    return signed(claims, OctKey.import_key(SECRET.encode() * 2), "HS256")


FORGERIES: dict[str, Callable[[Provider], Any]] = {
    "unsigned": lambda _: _unsigned,
    "another key": lambda _: _by_another_key,
    "another key of the same name": _by_another_key_of_the_same_name,
    "the public key as a secret": _by_the_public_key_as_a_secret,
    "the client's secret": lambda _: _by_the_clients_secret,
    "no token": lambda _: lambda _claims: "nonsense",
    "an empty token": lambda _: lambda _claims: "",
}


async def test_a_forged_token_lets_nobody_in(place: Town, provider: Provider, steady: Clock) -> None:
    """Only the provider's own signature counts."""
    await somebody(place.hub, password=None)
    for name, forgery in FORGERIES.items():
        provider.sign = forgery(provider)
        steady.now += 60
        person = Person(await place.browser())
        answer = await person.log_in()
        assert (answer.status, person.is_in) == (401, False), name
        assert "was not accepted" in answer.body.decode(), name


WRONG: tuple[dict[str, Any], ...] = (
    {"nonce": "another"},
    {"nonce": None},
    {"aud": "another"},
    {"aud": ["another", "third"]},
    {"aud": ["hub", "another"]},
    {"aud": ["hub", "another"], "azp": "another"},
    {"azp": "another"},
    {"aud": None},
    {"iss": "https://another.example"},
    {"iss": None},
    {"exp": 1_000_000_000},
    {"exp": None},
    {"exp": "never"},
    {"nbf": 99_999_999_999},
    {"iat": 99_999_999_999},
    {"sub": None},
    {"sub": ""},
    {"sub": 7},
    {"sub": "x" * 300},
)


async def test_a_token_for_another_purpose_lets_nobody_in(
    place: Town, provider: Provider, steady: Clock
) -> None:
    """Well signed, and for another log-in, another client, from another issuer, of another time, of nobody."""
    await somebody(place.hub, password=None)
    for claims in WRONG:
        provider.claims = claims
        steady.now += 60
        person = Person(await place.browser())
        assert ((await person.log_in()).status, person.is_in) == (401, False), claims


async def test_a_state_is_good_once(place: Town, person: Person) -> None:
    """Whoever finds the address in a history, or sends it again, gets nothing."""
    await somebody(place.hub, password=None)
    where = await person.go()
    kept = dict(person.cookies)
    assert (await person.get(where)).status == 303
    later = Person(await place.browser())
    later.cookies = kept
    answer = await later.get(where)
    assert (answer.status, later.is_in) == (401, False)


async def test_a_log_in_ends_in_the_browser_in_which_it_began(place: Town, person: Person) -> None:
    """Or one could be logged in as somebody else without knowing, and leave secrets in their account."""
    await somebody(place.hub, password=None)
    where = await person.go()
    victim = Person(await place.browser())
    await victim.get(LOGIN)
    assert ((await victim.get(where)).status, victim.is_in) == (401, False)
    assert (await person.get(where)).status == 401, "it was used up by the try"


async def test_an_old_state_is_refused(place: Town, person: Person, database: Any) -> None:
    """After ten minutes."""
    await somebody(place.hub, password=None)
    where = await person.go()
    await database.execute("UPDATE login_states SET expires_at = now()")
    assert (await person.get(where)).status == 401


@pytest.mark.parametrize("change", [{"state": "A" * 43}, {"state": ""}, {"iss": "https://another.example"}, {"code": "another"}, {"code": ""}])  # fmt: skip
async def test_a_changed_answer_is_refused(place: Town, person: Person, change: dict[str, str]) -> None:
    """Another state, another issuer's answer (RFC 9207), another code."""
    await somebody(place.hub, password=None)
    path, _, query = (await person.go()).partition("?")
    fields = {name: values[0] for name, values in parse_qs(query).items()} | change
    answer = await person.get(f"{path}?{urlencode(fields)}")
    assert (answer.status, person.is_in) == (401, False)


async def test_a_new_key_is_fetched_when_it_is_first_seen(
    place: Town, person: Person, provider: Provider, steady: Clock
) -> None:
    """And keys are not fetched for every log-in, nor for every forged token."""
    await somebody(place.hub, password=None)
    assert (await person.log_in()).status == 303
    assert (await Person(await place.browser()).log_in()).status == 303
    assert provider.asked["/keys"] == 1
    provider.rotate()
    steady.now += 11
    assert (await Person(await place.browser()).log_in()).status == 303
    assert provider.asked["/keys"] == 2
    provider.sign = _by_another_key
    for _ in range(3):
        assert (await Person(await place.browser()).log_in()).status == 401
    assert provider.asked["/keys"] == 2


async def test_a_key_that_was_withdrawn_is_not_trusted_for_long(
    place: Town, person: Person, provider: Provider, steady: Clock
) -> None:
    """Keys are asked for again every hour."""
    await somebody(place.hub, password=None)
    assert (await person.log_in()).status == 303
    stolen = provider.key
    provider.rotate()
    provider.sign = lambda claims: signed(claims, stolen)
    steady.now += 3601
    assert (await Person(await place.browser()).log_in()).status == 401


async def test_a_client_may_have_to_send_its_secret_in_the_body(
    place: Town, person: Person, provider: Provider
) -> None:
    """Where the provider takes it only there."""
    provider.by_post = True
    await somebody(place.hub, password=None)
    assert (await person.log_in()).status == 303


async def test_a_no_of_the_provider_is_told(place: Town, person: Person, provider: Provider) -> None:
    """And nothing of it is written into the page."""
    provider.denies = "<script>access_denied"
    answer = await person.log_in()
    assert answer.status == 401
    assert "did not let you in" in answer.body.decode()
    assert "<script>access" not in answer.body.decode()


async def test_a_provider_that_is_away_is_a_503(place: Town, person: Person, provider: Provider) -> None:
    """When one goes there, and when one comes back; a password still lets in."""
    await somebody(place.hub)
    provider.is_down = True
    assert (await person.get(GO)).status == 503
    provider.is_down = False
    where = await person.go()
    provider.is_down = True
    assert (await person.get(where)).status == 503


async def test_a_provider_that_calls_itself_otherwise_is_not_used(
    place: Town, person: Person, provider: Provider
) -> None:
    """OpenID Connect Discovery, 4.3."""
    provider.issuer = "https://another.example"
    assert (await person.get(GO)).status == 503


async def test_where_there_is_no_provider_there_is_no_way_to_one(database_url: str, redis_url: str) -> None:
    """No button, and the addresses lead nowhere."""
    async with town(database_url, redis_url) as place:
        browser = await place.browser()
        assert GO not in (await browser.get(LOGIN)).body.decode()
        assert (await browser.get(GO)).status == 404
        assert (await browser.get(f"{GO}/done?state=x&code=y")).status == 404
        assert urlsplit(LOGIN).path == LOGIN
