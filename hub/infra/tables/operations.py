"""What operators order, apart from jobs."""

from sqlalchemy import CheckConstraint, Column, Table, Text

from hub.domain.overrides import Forced
from hub.infra.tables.base import metadata, one_of, time

# One row for each provider whose breaker a person holds; what was ordered before is in the audit log.
breaker_overrides = Table(
    "breaker_overrides",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    time("since", default=True),
    time("until"),
    one_of("state", Forced),
    CheckConstraint("reason <> ''", name="reason"),
)
