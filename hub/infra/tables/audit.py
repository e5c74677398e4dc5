"""What people did, chained by the database itself: each row carries the digest of itself and of the row before it.

Whoever writes to the table need not know of the chain, and cannot leave it out. Whoever owns the table can take the
triggers away, change rows and put the triggers back: then the chain does not fit any more (see hub.domain.audit).
"""

from sqlalchemy import DDL, BigInteger, CheckConstraint, Column, Index, LargeBinary, Table, Text, Uuid, event
from sqlalchemy.dialects.postgresql import JSONB

from hub.infra.tables.base import metadata, time

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Never before that of the row before, so that the order of times is the order of the chain.
    time("at", default=True),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    # 1, 2, 3 …: a row that is taken out leaves a gap.
    Column("seq", BigInteger, nullable=False, unique=True),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    CheckConstraint("octet_length(hash) = 32", name="hash"),
    # Each serves the list by one filter, newest first.
    Index("audit_log_by_subject", "subject", "seq"),
    Index("audit_log_by_actor", "actor", "seq"),
    Index("audit_log_by_action", "action", "seq"),
    # From a time to a place in the chain.
    Index("audit_log_by_time", "at", "seq"),
)

# What hub.domain.audit.canonical says: every field after its length in bytes.
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

for statement in (_DIGEST, _CHAIN, _KEEP, *_TRIGGERS):
    event.listen(audit_log, "after_create", DDL(statement.strip()))  # type: ignore[no-untyped-call]  # SQLAlchemy's
