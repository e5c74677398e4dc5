"""How arguments are written into a path and into form fields."""

from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stripe._encode import _api_encode
from yarl import URL

from hub.domain.encoding import fill, flatten
from hub.domain.errors import Rejected

PATH = "/v1/customers/{id}/sources"
leaves = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
names = st.text(st.characters(codec="utf-8"), min_size=1)
values = st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(names, v, max_size=3))


@given(fields=st.dictionaries(names, values, max_size=4))
def test_stripes_own_encoder_writes_the_same(fields: dict[str, Any]) -> None:
    """Any nesting of lists, mappings and values, in the order given."""
    theirs = [(name, str(value)) for name, value in _api_encode(fields)]
    ours = [(name, value) for name, value in flatten(fields)]

    # Stripe's encoder leaves a boolean inside a list as Python writes it; as a field of its own it is lower case.
    assert [(name, value.lower()) for name, value in ours] == [
        (name, value.lower()) for name, value in theirs
    ]


def test_form_fields_are_written_as_documented() -> None:
    """https://docs.stripe.com/api: brackets for nesting, true and false for booleans."""
    fields = {
        "amount": 100,
        "metadata": {"order": "é&="},
        "items": [{"price": "p"}, {"price": "q"}],
        "live": False,
    }

    assert flatten({**fields, "none": [], "flags": [True]}) == [
        ("amount", "100"),
        ("metadata[order]", "é&="),
        ("items[0][price]", "p"),
        ("items[1][price]", "q"),
        ("live", "false"),
        ("flags[0]", "true"),
    ]
    assert "&=" not in urlencode(flatten(fields))


@given(value=st.text(st.characters(codec="utf-8"), min_size=1))
def test_no_argument_leaves_its_place_in_the_path(value: str) -> None:
    """It stays one segment, for the standard's parser and for the one that sends, and comes out as it went in."""
    assume(value.strip("."))
    path, rest = fill(PATH, {"id": value, "amount": 1})

    assert rest == {"amount": 1}
    assert path == f"/v1/customers/{quote(value, safe='')}/sources"
    for parsed in (urlsplit("https://api.test" + path).path, URL("https://api.test" + path).raw_path):
        before, segment, after = parsed.rsplit("/", 2)
        assert (before, unquote(segment), after) == ("/v1/customers", value, "sources")


@pytest.mark.parametrize("value", ["", ".", "..", "...", None, [], ["a"], {}, {"a": 1}])
def test_an_argument_that_names_another_resource_is_refused(value: object) -> None:
    """Nothing, a parent, or no scalar: the request would go somewhere else."""
    with pytest.raises(Rejected) as refused:
        fill(PATH, {"id": value})

    assert refused.value.code == "invalid_path_argument"
    assert str(refused.value).startswith("id ")


def test_a_missing_argument_is_refused() -> None:
    """Rather than sending the braces."""
    with pytest.raises(Rejected):
        fill(PATH, {"amount": 1})


def test_one_argument_cannot_smuggle_in_another() -> None:
    """What looks like a place inside a value is a value; a place may stand twice."""
    path, rest = fill("/{a}/{b}/{a}", {"a": "{b}", "b": True, "c": 1})

    assert (path, rest) == ("/%7Bb%7D/true/%7Bb%7D", {"c": 1})


@pytest.mark.parametrize(
    ("value", "written"),
    [("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), ("%2e%2e", "%252e%252e"), ("..%2f", "..%252f"), ("a\r\nb", "a%0D%0Ab"),
     ("\\..\\", "%5C..%5C"), ("a;b", "a%3Bb"), ("é", "%C3%A9"), (7, "7"), ("\ud800", "%3F")],
)  # fmt: skip
def test_what_could_escape_is_written_out(value: object, written: str) -> None:
    """Slashes both ways, queries, fragments, encoded dots, line ends and lone surrogates."""
    assert fill("/{id}", {"id": value})[0] == f"/{written}"
