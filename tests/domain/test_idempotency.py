"""The same key and the same request give the same job."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hub.domain.errors import Invalid
from hub.domain.idempotency import MAX_KEY_LENGTH, Match, compare, fingerprint, is_valid_key

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(leaves, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(), v, max_size=4))
requests = st.dictionaries(st.text(), values, max_size=5)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


def spelled(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@given(request=requests)
def test_the_order_of_fields_does_not_matter(request: dict[str, Any]) -> None:
    """At any depth; nor does a trip through JSON."""
    assert fingerprint(reordered(request)) == fingerprint(request)
    assert fingerprint(json.loads(json.dumps(request))) == fingerprint(request)


@given(one=requests, other=requests)
def test_different_requests_have_different_fingerprints(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Equal fingerprints mean equal requests."""
    assert (fingerprint(one) == fingerprint(other)) == (spelled(one) == spelled(other))


@given(request=requests, name=st.text(), value=values)
def test_any_change_changes_the_fingerprint(request: dict[str, Any], name: str, value: Any) -> None:
    """One field set, added or taken away is another request."""
    assume(name not in request or spelled(request[name]) != spelled(value))
    before = fingerprint(request)

    assert compare(before, fingerprint({**request, name: value})) is Match.OTHER
    assert compare(before, fingerprint(dict(request))) is Match.SAME


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": 0}, {"a": False}),
        ({"a": None}, {}),
        ({"a": ""}, {"a": None}),
        ({"a": {}}, {"a": []}),
        ({"a": "é"}, {"a": "e\u0301"}),
        ({"a": {"b": 1}}, {"a.b": 1}),
        ({"a": '","b":"'}, {"a": "", "b": ""}),
    ],
)
def test_near_misses_are_other_requests(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Order in a list, types, absence and Unicode forms are part of the meaning."""
    assert fingerprint(one) != fingerprint(other)


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    """It is stored: it must not depend on hash randomisation or on the process."""
    code = "from hub.domain.idempotency import fingerprint as f; print(f({'b': 1, 'a': 'é'}).hex())"
    runs = {
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout  # noqa: S603
        for _ in range(2)
    }

    assert runs == {fingerprint({"a": "é", "b": 1}).hex() + "\n"}


def test_lone_surrogates_and_depth_are_no_way_to_break_it() -> None:
    """A string that is not Unicode has a fingerprint; a request that is too deep is refused in words."""
    assert fingerprint({"a": "\ud800"}) != fingerprint({"a": "\ud801"})

    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Invalid) as refused:
        fingerprint({"a": deep})
    assert refused.value.code == "too_deep"


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=MAX_KEY_LENGTH))
def test_visible_ascii_is_a_key(key: str) -> None:
    """1 to 255 visible characters."""
    assert is_valid_key(key)


@pytest.mark.parametrize("key", ["", " ", "a b", "a\n", "\n", "é", "\x7f", "\0", "a" * 256, "٣"])
def test_what_is_not_visible_ascii_is_no_key(key: str) -> None:
    """Blanks, control characters, other scripts, nothing, too much."""
    assert not is_valid_key(key)
