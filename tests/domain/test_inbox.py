"""The states of an error group, and who may move it where."""

from itertools import product

import pytest

from hub.domain.inbox import BECOMES, GroupAction, GroupState, after_failure, allowed, sources_of

STATES, ACTIONS = list(GroupState), list(GroupAction)


@pytest.mark.parametrize(("state", "action"), [*product(STATES, ACTIONS)])
def test_an_action_is_allowed_where_it_leads_elsewhere(state: GroupState, action: GroupAction) -> None:
    """What changes nothing is refused; one who acknowledges what is settled is told so."""
    assert (action in allowed(state)) is (state in sources_of(action))
    if action in allowed(state):
        assert BECOMES[action] is not state


def test_every_state_can_be_reached_and_left() -> None:
    """There is no dead end: what was ignored or resolved by mistake is opened again."""
    assert set(BECOMES.values()) == set(STATES)
    assert all(allowed(state) for state in STATES)
    assert all(GroupAction.REOPEN in allowed(state) for state in STATES if state is not GroupState.OPEN)


def test_only_what_is_open_can_be_acknowledged() -> None:
    """Whoever says that they look at it says so of something that nobody looks at."""
    assert sources_of(GroupAction.ACKNOWLEDGE) == {GroupState.OPEN}


@pytest.mark.parametrize("state", STATES)
def test_only_what_was_resolved_opens_by_itself(state: GroupState) -> None:
    """When a job has failed for good; ignored stays ignored, acknowledged stays, and retries may cure the rest."""
    assert after_failure(state, lost=False) is state
    assert after_failure(state, lost=True) is (GroupState.OPEN if state is GroupState.RESOLVED else state)
