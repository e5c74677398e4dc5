"""What happened, added up by the minute for two days, and by the hour and by the day for three months.

Nothing here is written by what is counted: attempts are added up afterwards, and calls in each process's memory.
"""

from sqlalchemy import CheckConstraint, Column, Integer, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, DOUBLE_PRECISION

from hub.domain.histograms import SIZE
from hub.domain.spans import Grain
from hub.infra.tables.base import metadata, one_of, time

attempt_statistics = Table(
    "attempt_statistics",
    metadata,
    Column("grain", Text, nullable=False),
    time("at", nullable=False),
    Column("queue", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("attempts", BIGINT, nullable=False),
    Column("seconds", DOUBLE_PRECISION, nullable=False),
    # How long they ran, see hub.domain.histograms.
    Column("buckets", ARRAY(BIGINT), nullable=False),
    PrimaryKeyConstraint("grain", "at", "queue", "outcome"),
    one_of("grain", Grain),
    CheckConstraint(f"cardinality(buckets) = {SIZE}", name="buckets"),
)

call_statistics = Table(
    "call_statistics",
    metadata,
    Column("grain", Text, nullable=False),
    time("at", nullable=False),
    Column("provider", Text, nullable=False),
    Column("calls", BIGINT, nullable=False),
    # Of the calls: the provider was unwell; it said no. Not among them: what the breaker kept from being sent.
    Column("failed", BIGINT, nullable=False),
    Column("refused", BIGINT, nullable=False),
    Column("skipped", BIGINT, nullable=False),
    Column("seconds", DOUBLE_PRECISION, nullable=False),
    Column("buckets", ARRAY(BIGINT), nullable=False),
    PrimaryKeyConstraint("grain", "at", "provider"),
    one_of("grain", Grain),
    CheckConstraint(f"cardinality(buckets) = {SIZE}", name="buckets"),
)

queue_statistics = Table(
    "queue_statistics",
    metadata,
    Column("grain", Text, nullable=False),
    time("at", nullable=False),
    Column("queue", Text, nullable=False),
    # Due and not running, as it was looked at in that minute; of an hour the most.
    Column("depth", Integer, nullable=False),
    Column("oldest_due_seconds", DOUBLE_PRECISION, nullable=False),
    PrimaryKeyConstraint("grain", "at", "queue"),
    one_of("grain", Grain),
)

# How far something that goes through the tables step by step has come; its row is its lock, too.
marks = Table(
    "marks",
    metadata,
    Column("name", Text, primary_key=True),
    time("upto", nullable=False),
    # Of a process's calls: which of its batches was written last, and `upto` is when.
    Column("sequence", BIGINT),
)
