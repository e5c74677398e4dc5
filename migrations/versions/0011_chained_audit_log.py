"""Chain the audit log: each row carries the digest of itself and of the row before it, and none is changed any more.

What is there is chained in the order in which it was written, under a lock: half a minute for 200,000 rows on two busy
cores. Meanwhile what people do waits or fails, and jobs go on. The release before this one goes on writing, as the triggers
fill in what it does not know.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_DIGEST = """
CREATE FUNCTION audit_log_digest(line audit_log) RETURNS bytea LANGUAGE plpgsql STABLE AS $$
DECLARE
    written bytea := convert_to(octet_length(line.previous) || ':', 'UTF8') || line.previous;
    field text;
BEGIN
    FOREACH field IN ARRAY ARRAY[
        CAST(line.seq AS text), CAST(line.id AS text),
        to_char(line.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        line.actor, line.action, line.subject, CAST(line.detail AS text)
    ] LOOP
        written := written || convert_to(octet_length(convert_to(field, 'UTF8')) || ':' || field, 'UTF8');
    END LOOP;
    RETURN sha256(written);
END $$
"""

# One after the other: the lock is held until the transaction ends, and the look behind it sees what was committed
# meanwhile, as every statement of a volatile function has a snapshot of its own. A transaction writes here last, so that
# nobody who has this lock waits for another.
_CHAIN = """
CREATE FUNCTION audit_log_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last audit_log;
BEGIN
    PERFORM pg_advisory_xact_lock(7527030522940516724);
    SELECT * INTO last FROM audit_log ORDER BY seq DESC LIMIT 1;
    NEW.seq := coalesce(last.seq, 0) + 1;
    NEW.previous := coalesce(last.hash, decode(repeat('00', 32), 'hex'));
    NEW.at := greatest(clock_timestamp(), last.at);
    NEW.hash := audit_log_digest(NEW);
    RETURN NEW;
END $$
"""

_KEEP = """
CREATE FUNCTION audit_log_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = 'restrict_violation';
END $$
"""

_TRIGGERS = (
    """
    CREATE TRIGGER audit_log_chain BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_chain()
    """,
    """
    CREATE TRIGGER audit_log_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_keep()
    """,
)

_EXISTING = """
DO $$
DECLARE
    line audit_log;
    count bigint := 0;
    head bytea := decode(repeat('00', 32), 'hex');
BEGIN
    FOR line IN SELECT * FROM audit_log ORDER BY at, id LOOP
        count := count + 1;
        line.seq := count;
        line.previous := head;
        head := audit_log_digest(line);
        UPDATE audit_log SET seq = line.seq, previous = line.previous, hash = head WHERE id = line.id;
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.add_column("audit_log", sa.Column("seq", sa.BigInteger(), nullable=True))
    op.add_column("audit_log", sa.Column("previous", sa.LargeBinary(), nullable=True))
    op.add_column("audit_log", sa.Column("hash", sa.LargeBinary(), nullable=True))
    for statement in (_DIGEST, _CHAIN, _KEEP, _EXISTING):
        op.execute(statement)
    for column in ("seq", "previous", "hash"):
        op.alter_column("audit_log", column, nullable=False)
    op.create_unique_constraint("audit_log_seq_key", "audit_log", ["seq"])
    op.create_check_constraint(op.f("audit_log_hash_check"), "audit_log", "octet_length(hash) = 32")
    op.drop_index("audit_log_by_subject", table_name="audit_log")
    op.create_index("audit_log_by_subject", "audit_log", ["subject", "seq"])
    op.create_index("audit_log_by_actor", "audit_log", ["actor", "seq"])
    op.create_index("audit_log_by_action", "audit_log", ["action", "seq"])
    op.create_index("audit_log_by_time", "audit_log", ["at", "seq"])
    for statement in _TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_log_keep ON audit_log")
    op.execute("DROP TRIGGER audit_log_chain ON audit_log")
    op.execute("DROP FUNCTION audit_log_keep()")
    op.execute("DROP FUNCTION audit_log_chain()")
    op.execute("DROP FUNCTION audit_log_digest(audit_log)")
    for index in ("audit_log_by_time", "audit_log_by_action", "audit_log_by_actor", "audit_log_by_subject"):
        op.drop_index(index, table_name="audit_log")
    op.drop_constraint(op.f("audit_log_hash_check"), "audit_log", type_="check")
    op.drop_constraint("audit_log_seq_key", "audit_log", type_="unique")
    for column in ("hash", "previous", "seq"):
        op.drop_column("audit_log", column)
    op.create_index("audit_log_by_subject", "audit_log", ["subject", "id"])
