"""Plans: what is to be done to many jobs, and what has become of each of them."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hub.domain.plans import Action, ItemState, PlanState
from hub.infra.tables.base import metadata, one_of, time

plans = Table(
    "plans",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("action", Text, nullable=False),
    # In the search language: which jobs it was made of.
    Column("filter", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("canary", Integer, nullable=False),
    Column("rate", Float, nullable=False),
    Column("stop_above", Float, nullable=False),
    Column("max_in_flight", Integer, nullable=False),
    Column("wait_for_go", Boolean, nullable=False),
    Column("include_uncertain", Boolean, nullable=False),
    Column("reason", Text),
    Column("created_by", Text, nullable=False),
    Column("started_by", Text),
    Column("approved_by", Text),
    # What the dry run found: a verdict, its number of jobs, and some of them.
    Column("verdicts", JSONB, nullable=False),
    # Which providers the jobs it is to release called last, so that their breakers are honoured.
    Column("providers", ARRAY(Text), nullable=False),
    # Kept by the statements that move the items, in the same transaction.
    *[
        Column(f"{state.value}_items", Integer, nullable=False, server_default=text("0"))
        for state in ItemState
    ],
    time("created_at", default=True),
    time("started_at"),
    time("ended_at"),
    time("canary_judged_at"),
    # Outcomes from before count no more: a person has looked at them and said that it is to go on.
    time("judging_since"),
    Column("judgement", Text),
    Column("held_up", Text),
    time("held_up_since"),
    # Where the runner is: when it looks again, what it may release, which items it looked at last, and up to which none is pending.
    time("next_tick_at"),
    time("ticked_at"),
    Column("credit", Float, nullable=False, server_default=text("0")),
    Column("swept_to", Integer, nullable=False, server_default=text("0")),
    Column("released_to", Integer, nullable=False, server_default=text("0")),
    # Providers whose breakers were open, and up to which item none is pending but theirs.
    Column("passed_over", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("passed_to", Integer, nullable=False, server_default=text("0")),
    one_of("action", Action),
    one_of("state", PlanState),
    CheckConstraint("stop_above BETWEEN 0 AND 1", name="stop_above"),
    CheckConstraint("rate > 0", name="rate"),
    CheckConstraint("NOT include_uncertain OR reason IS NOT NULL", name="reason"),
    CheckConstraint("(state IN ('finished', 'aborted')) = (ended_at IS NOT NULL)", name="ended"),
    Index("plans_tick", "next_tick_at", postgresql_where=text("next_tick_at IS NOT NULL")),
    Index("plans_list_by_state", "state", "id"),
    Index("plans_never_started", "created_at", postgresql_where=text("started_at IS NULL")),
)

plan_items = Table(
    "plan_items",
    metadata,
    # No foreign keys: rows are only ever written by statements that read the plan and the job, and checking both again
    # takes longer than writing 200,000 of them. The record of what was done also outlives the job.
    Column("plan_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    # The job as it was seen at the dry run: one that has changed since is not touched.
    Column("seen", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    # As seen; of a released one, the generation it was released in.
    Column("generation", Integer, nullable=False),
    # Of a released one: what its budget had been used of before.
    Column("failures", Integer),
    # Of a released one: its effects were being undone already, so that to have them undone is what is wanted.
    Column("undoing", Boolean, nullable=False, server_default=text("false")),
    Column("provider", Text),
    Column("note", Text),
    time("released_at"),
    time("judged_at"),
    time("ended_at"),
    PrimaryKeyConstraint("plan_id", "position"),
    one_of("state", ItemState),
    # What is open, and the lists. What is next is found by its position, and by its provider where this one is to be asked.
    Index("plan_items_by_state", "plan_id", "state", "position", postgresql_where=text("state <> 'pending'")),
    Index("plan_items_to_ask", "plan_id", "provider", "position", postgresql_where=text("state = 'pending'")),
    Index("plan_items_by_job", "job_id"),
    Index("plan_items_judged", "plan_id", "judged_at", postgresql_where=text("judged_at IS NOT NULL")),
)
