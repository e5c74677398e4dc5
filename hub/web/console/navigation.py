"""What the side bar leads to, in its order."""

from dataclasses import dataclass

from hub.domain.access import Scope


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the side bar.

    Attributes:
        section: pages of this section are marked as being here.
        scope: who does not hold it does not see the line.
    """

    section: str
    title: str
    path: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that belong together."""

    title: str
    entries: tuple[Entry, ...]


GROUPS = (
    Group(
        "Work",
        (
            Entry("inbox", "Inbox", "/console/inbox", Scope.JOBS_READ_ALL),
            Entry("jobs", "Jobs", "/console/jobs", Scope.JOBS_READ),
            Entry("events", "Events", "/console/events", Scope.EVENTS_LIST),
            Entry("plans", "Plans", "/console/plans", Scope.JOBS_READ_ALL),
        ),
    ),
    Group(
        "Health",
        (
            Entry("overview", "Overview", "/console/overview", Scope.JOBS_READ_ALL),
            Entry("queues", "Queues", "/console/queues", Scope.JOBS_READ),
            Entry("providers", "Providers", "/console/providers", Scope.JOBS_READ),
            Entry("workers", "Workers", "/console/workers", Scope.JOBS_READ),
            Entry("alerts", "Alerts", "/console/alerts", Scope.JOBS_READ_ALL),
        ),
    ),
    Group(
        "People",
        (
            Entry("audit", "Audit", "/console/audit", Scope.AUDIT_READ),
            Entry("people", "Operators", "/console/people", Scope.ADMIN),
        ),
    ),
)
