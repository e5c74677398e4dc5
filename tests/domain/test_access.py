"""Who may do what."""

import secrets
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.access import PERMISSIONS, Principal, Role, Scope, Token, digest_of, format_token, is_same
from hub.domain.ids import ApplicationId, KeyId

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
tokens = st.tuples(st.uuids(), st.text(ALPHABET, min_size=43, max_size=43))
ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
SECRET = "s" * 43


def principal(*scopes: Scope) -> Principal:
    return Principal(ApplicationId(ID), "shop", KeyId(ID), frozenset(scopes))


@given(token=tokens)
def test_a_token_is_read_as_it_was_written(token: tuple[UUID, str]) -> None:
    """The key and the digest of the secret come back, whatever stands in the secret."""
    key, secret = token
    parsed = Token.parse(format_token(KeyId(key), secret))

    assert parsed == Token(KeyId(key), digest_of(secret))


def test_a_secret_made_the_usual_way_fits() -> None:
    """256 random bits, URL-safe, are what a token is made of."""
    assert Token.parse(format_token(KeyId(ID), secrets.token_urlsafe(32)))


@given(token=tokens, where=st.integers(0, 79), what=st.characters())
def test_one_changed_character_is_another_token_or_none(
    token: tuple[UUID, str], where: int, what: str
) -> None:
    """No two spellings stand for one token."""
    text = format_token(KeyId(token[0]), token[1])
    changed = text[:where] + what + text[where + 1 :]

    assert (Token.parse(changed) == Token.parse(text)) == (changed == text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hub_",
        f"hub_{ID}_{SECRET}",
        f"hub_{ID.hex.upper()}_{SECRET}",
        f"HUB_{ID.hex}_{SECRET}",
        f"hub_{ID.hex}_{SECRET}\n",
        f" hub_{ID.hex}_{SECRET}",
        f"hub_{ID.hex}_{SECRET}s",
        f"hub_{ID.hex}_{SECRET[1:]}",
        f"hub_{ID.hex}_{SECRET[1:]}é",
        f"hub_{ID.hex}_{SECRET[1:]}\0",
        f"hub_{ID.hex[1:]}٣_{SECRET}",
        f"Bearer hub_{ID.hex}_{SECRET}",
        "hub_" * 100_000,
    ],
)
def test_a_malformed_token_is_none(text: str) -> None:
    """Anything else at all is no token, and raises nothing."""
    assert Token.parse(text) is None


@given(st.text())
def test_no_text_makes_reading_a_token_fail(text: str) -> None:
    """Whatever is presented, reading it raises nothing."""
    assert Token.parse(text) is None


def test_no_repr_shows_a_secret() -> None:
    """Neither the secret nor its digest."""
    shown = repr(Token.parse(format_token(KeyId(ID), SECRET)))

    assert SECRET not in shown
    assert digest_of(SECRET).hex() not in shown
    assert "digest" not in shown


@given(one=st.text(ALPHABET), other=st.text(ALPHABET))
def test_only_the_same_secret_matches(one: str, other: str) -> None:
    """Digests are compared whole."""
    assert is_same(digest_of(one), digest_of(other)) == (one == other)
    assert not is_same(digest_of(one), digest_of(one)[:-1])


@pytest.mark.parametrize("held", Scope)
@pytest.mark.parametrize("asked", Scope)
def test_a_scope_allows_itself_and_what_it_includes(held: Scope, asked: Scope) -> None:
    """ADMIN includes all, and two scopes include the looking that they cannot do without."""
    included = {(Scope.JOBS_OPERATE, Scope.JOBS_READ_ALL), (Scope.EVENTS_READ, Scope.EVENTS_LIST)}
    assert principal(held).may(asked) == (held in {asked, Scope.ADMIN} or (held, asked) in included)
    assert not principal().may(asked)


@pytest.mark.parametrize("held", Scope)
def test_only_operators_see_every_application(held: Scope) -> None:
    """Reading or writing jobs shows one's own."""
    assert principal(held).sees_all == (held in {Scope.JOBS_READ_ALL, Scope.JOBS_OPERATE, Scope.ADMIN})


def test_each_role_may_all_that_the_one_below_it_may() -> None:
    """A promotion takes nothing away, and only the highest role may judge uncertain effects."""
    assert PERMISSIONS[Role.VIEWER] < PERMISSIONS[Role.OPERATOR] < PERMISSIONS[Role.ADMIN]
    assert Scope.JOBS_DECIDE not in PERMISSIONS[Role.OPERATOR]


def test_a_viewer_may_only_look() -> None:
    """None of a viewer's permissions changes anything."""
    assert PERMISSIONS[Role.VIEWER] == {Scope.JOBS_READ, Scope.JOBS_READ_ALL, Scope.EVENTS_LIST}
