"""Plans: doing one thing to thousands of jobs, carefully. New tables alone, which the previous release does not look at."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ACTIONS = "'retry', 'cancel', 'discard', 'requeue'"
_STATES = "'draft', 'canary', 'awaiting', 'running', 'paused', 'stopped', 'finished', 'aborted'"
_ITEMS = (
    "excluded",
    "pending",
    "skipped",
    "released",
    "waiting",
    "retrying",
    "succeeded",
    "failed",
    "cancelled",
)


def upgrade() -> None:
    _plans()
    _items()


def _plans() -> None:
    op.create_table(
        "plans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("canary", sa.Integer(), nullable=False),
        sa.Column("rate", sa.Float(), nullable=False),
        sa.Column("stop_above", sa.Float(), nullable=False),
        sa.Column("max_in_flight", sa.Integer(), nullable=False),
        sa.Column("wait_for_go", sa.Boolean(), nullable=False),
        sa.Column("include_uncertain", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("verdicts", postgresql.JSONB(), nullable=False),
        sa.Column("providers", postgresql.ARRAY(sa.Text()), nullable=False),
        *[
            sa.Column(f"{state}_items", sa.Integer(), server_default=sa.text("0"), nullable=False)
            for state in _ITEMS
        ],
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("canary_judged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("judging_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("judgement", sa.Text(), nullable=True),
        sa.Column("held_up", sa.Text(), nullable=True),
        sa.Column("held_up_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_tick_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ticked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("credit", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.Column("swept_to", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("released_to", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("plans_pkey")),
        sa.CheckConstraint(f"action IN ({_ACTIONS})", name=op.f("plans_action_check")),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("plans_state_check")),
        sa.CheckConstraint("stop_above BETWEEN 0 AND 1", name=op.f("plans_stop_above_check")),
        sa.CheckConstraint("rate > 0", name=op.f("plans_rate_check")),
        sa.CheckConstraint("NOT include_uncertain OR reason IS NOT NULL", name=op.f("plans_reason_check")),
        sa.CheckConstraint(
            "(state IN ('finished', 'aborted')) = (ended_at IS NOT NULL)", name=op.f("plans_ended_check")
        ),
    )
    op.create_index(
        "plans_tick", "plans", ["next_tick_at"], postgresql_where=sa.text("next_tick_at IS NOT NULL")
    )
    op.create_index("plans_list_by_state", "plans", ["state", "id"])


def _items() -> None:
    op.create_table(
        "plan_items",
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=True),
        sa.Column("undoing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("plan_id", "position", name=op.f("plan_items_pkey")),
        sa.CheckConstraint(
            "state IN ({})".format(", ".join(f"'{state}'" for state in _ITEMS)),
            name=op.f("plan_items_state_check"),
        ),
    )
    op.create_index(
        "plan_items_by_state",
        "plan_items",
        ["plan_id", "state", "position"],
        postgresql_where=sa.text("state <> 'pending'"),
    )
    op.create_index("plan_items_by_job", "plan_items", ["job_id"])
    op.create_index(
        "plan_items_judged",
        "plan_items",
        ["plan_id", "judged_at"],
        postgresql_where=sa.text("judged_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("plan_items")
    op.drop_table("plans")
