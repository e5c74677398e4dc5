"""What an edit changes, and what stands against it."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.edits import OnRecord, Party, check_approval, difference, edited, objection, stands
from hub.domain.effects import Certainty, Effect, StepKind
from hub.domain.errors import Conflict, Invalid

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("/a", "changed", 1, 2)]),
        ({"a": 1}, {"a": True}, [("/a", "changed", 1, True)]),
        ({"a": 1}, {}, [("/a", "removed", 1, None)]),
        ({}, {"a": None}, [("/a", "added", None, None)]),
        ({"a": [1, 2]}, {"a": [1]}, [("/a/1", "removed", 2, None)]),
        ({"a/b": {"~": 1}}, {"a/b": {"~": 2}}, [("/a~1b/~0", "changed", 1, 2)]),
        ({"a": [1]}, {"a": {"0": 1}}, [("/a", "changed", [1], {"0": 1})]),
    ],
)
def test_the_difference_names_each_place(old: Any, new: Any, changes: list[tuple[Any, ...]]) -> None:
    """By JSON pointer, with what was there and what is to be."""
    assert [(one.pointer, one.kind, one.old, one.new) for one in difference(old, new)] == changes


@given(old=JSON, new=JSON)
def test_equal_values_and_only_they_have_no_difference(old: Any, new: Any) -> None:
    """Whatever they are."""
    assert difference(old, old) == []
    assert bool(difference(old, new)) == bool(difference(new, old))


@given(old=st.dictionaries(st.text(max_size=3), JSON, max_size=4), value=JSON)
def test_what_is_put_in_place_is_the_whole_difference(old: dict[str, Any], value: Any) -> None:
    """Nothing else changes, and the original stays as it was."""
    before = dict(old)
    new = edited(old, {"/amount": value})
    assert new["amount"] == value
    assert old == before
    assert all(change.pointer.startswith("/amount") for change in difference(old, new))


@pytest.mark.parametrize("pointer", ["amount", "/no/such", "/list/9", "/list/x", "/text/0"])
def test_a_pointer_that_leads_nowhere_is_named(pointer: str) -> None:
    """It is not guessed at."""
    with pytest.raises(Invalid) as refused:
        edited({"list": [1], "text": "a"}, {pointer: 1})
    assert refused.value.problems[0].pointer == "/set/" + pointer.replace("/", "~1")


def test_lists_are_changed_and_lengthened() -> None:
    """By place, and behind the end."""
    assert edited({"list": [1, 2]}, {"/list/0": 9, "/list/-": 3}) == {"list": [9, 2, 3]}


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("certainty", Certainty)
def test_a_call_stands_where_it_was_or_may_have_been_done(certainty: Certainty, effect: Effect) -> None:
    """A read is asked again; what was not sent or was refused is sent anew."""
    expected = effect is not Effect.READ and certainty in {Certainty.CONFIRMED, Certainty.UNKNOWN}
    assert stands(StepKind.CALL, effect, certainty) == expected


def test_the_objection_names_the_steps_and_says_what_happens() -> None:
    """At most five of them."""
    steps = [OnRecord(n, "stripe POST /v1/charges", StepKind.CALL, Certainty.CONFIRMED) for n in range(7)]
    said = objection(steps)
    assert said.startswith("step 0 (stripe POST /v1/charges) is done")
    assert "and 2 more" in said
    assert objection([]) == ""


ADA, BOB = Party("ada", None), Party("bob", None)
SHOP, SHOP_TOO = (Party(f"shop (key {number})", UUID(int=1)) for number in (1, 2))
DEPOT = Party("depot (key 3)", UUID(int=2))


@pytest.mark.parametrize(("proposer", "approver"), [(ADA, BOB), (SHOP, ADA), (SHOP, DEPOT)])
def test_another_party_approves(proposer: Party, approver: Party) -> None:
    """Another person; for a key any person, or the key of another application."""
    check_approval(proposer, approver)


@pytest.mark.parametrize(
    ("proposer", "approver", "code"),
    [
        (ADA, ADA, "edit_own"),
        (SHOP, SHOP, "edit_own"),
        (SHOP, SHOP_TOO, "edit_own"),
        (ADA, SHOP, "person_needed"),
    ],
)
def test_nobody_approves_their_own(proposer: Party, approver: Party, code: str) -> None:
    """Nor does an application with another key, nor any key what a person has proposed."""
    with pytest.raises(Conflict) as said:
        check_approval(proposer, approver)
    assert said.value.code == code
