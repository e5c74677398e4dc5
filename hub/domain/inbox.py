"""The life of an error group in the operators' inbox: its states, and who may move it where.

open          somebody should look. In: the first failure, a person reopens it, a failure of a resolved one. Out: a person.
acknowledged  somebody does. Further failures change nothing. In: a person. Out: a person.
resolved      it should not come back. In: a person. Out: a person; by itself when a job fails of it for good once more.
ignored       nobody needs to look, however often it happens. In: a person. Out: a person.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class GroupState(StrEnum):
    """See the module's docstring: who moves a group in, and who out."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    IGNORED = "ignored"


class GroupAction(StrEnum):
    """What a person does with a group."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    IGNORE = "ignore"
    REOPEN = "reopen"


BECOMES: Mapping[GroupAction, GroupState] = MappingProxyType(
    {
        GroupAction.ACKNOWLEDGE: GroupState.ACKNOWLEDGED,
        GroupAction.RESOLVE: GroupState.RESOLVED,
        GroupAction.IGNORE: GroupState.IGNORED,
        GroupAction.REOPEN: GroupState.OPEN,
    }
)
_FROM: Mapping[GroupAction, frozenset[GroupState]] = MappingProxyType(
    {
        GroupAction.ACKNOWLEDGE: frozenset({GroupState.OPEN}),
        GroupAction.RESOLVE: frozenset({GroupState.OPEN, GroupState.ACKNOWLEDGED, GroupState.IGNORED}),
        GroupAction.IGNORE: frozenset({GroupState.OPEN, GroupState.ACKNOWLEDGED, GroupState.RESOLVED}),
        GroupAction.REOPEN: frozenset({GroupState.ACKNOWLEDGED, GroupState.RESOLVED, GroupState.IGNORED}),
    }
)

BY_ITSELF = "hub"
"""Who reopened a group that nobody did."""


def allowed(state: GroupState) -> tuple[GroupAction, ...]:
    """What a person may do with a group that stands so."""
    return tuple(action for action in GroupAction if state in _FROM[action])


def sources_of(action: GroupAction) -> frozenset[GroupState]:
    """The states from which an action leads somewhere."""
    return _FROM[action]


def after_failure(state: GroupState, *, lost: bool) -> GroupState:
    """What a further failure makes of a group. The statements that count failures say the same in SQL.

    Args:
        state: as it stands.
        lost: a job has failed for good. A failure that retries may cure brings nothing back.
    """
    return GroupState.OPEN if lost and state is GroupState.RESOLVED else state
