"""Operators, their sessions, and what lets them in once. No secret stands here: only digests."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from hub.domain.access import Role
from hub.domain.sessions import LoginKind
from hub.infra.tables.base import metadata, one_of, time

operators = Table(
    "operators",
    metadata,
    Column("id", Uuid, primary_key=True),
    # In small letters and one Unicode form (hub.domain.operators.email_of), so that equal means the same person.
    Column("email", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    # The identity provider gave the role, so it takes it away, too.
    Column("role_by_provider", Boolean, nullable=False, server_default=text("false")),
    # argon2id with its parameters and salt; null for who has none and logs in otherwise.
    Column("password_hash", Text),
    # Who they are at the identity provider, once they have come from there.
    Column("issuer", Text),
    Column("subject", Text),
    # In a row, with browsers that are in no row of `devices`. A guess is counted before it is looked at, so that guesses
    # made at once count each.
    Column("failed_logins", Integer, nullable=False, server_default=text("0")),
    time("locked_until"),
    time("created_at", default=True),
    time("disabled_at"),
    time("last_login_at"),
    one_of("role", Role),
    UniqueConstraint("issuer", "subject"),
    CheckConstraint("(issuer IS NULL) = (subject IS NULL)", name="identity"),
    CheckConstraint("email = lower(email)", name="email"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    # SHA-256 of 256 random bits, as of API keys.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("operator_id", ForeignKey("operators.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    time("created_at", default=True),
    time("last_seen_at", default=True),
    # Moves on with use; see hub.domain.sessions.SessionLimits.
    time("expires_at", nullable=False),
    time("revoked_at"),
    one_of("kind", LoginKind),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    Index("sessions_of_operator", "operator_id", "id"),
)

# Browsers that somebody has logged in with. Wrong passwords that are typed there count there, and not with strangers'.
devices = Table(
    "devices",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("operator_id", ForeignKey("operators.id"), nullable=False),
    # The log-in that it is known by. No reference: the browser is known for longer than sessions are kept.
    Column("session_id", Uuid),
    Column("failed_logins", Integer, nullable=False, server_default=text("0")),
    time("locked_until"),
    time("created_at", default=True),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    Index("devices_of_operator", "operator_id"),
)

login_links = Table(
    "login_links",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("operator_id", ForeignKey("operators.id"), nullable=False),
    time("created_at", default=True),
    time("expires_at", nullable=False),
    time("used_at"),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    Index("login_links_of_operator", "operator_id"),
)

# Log-ins that are at the identity provider now. A row is taken out by whoever comes back with its state: once.
login_states = Table(
    "login_states",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    # Of the cookie of the browser that began, so that nobody finishes a log-in in another's browser.
    Column("browser", LargeBinary, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    Column("next_path", Text, nullable=False),
    time("expires_at", nullable=False),
    Index("login_states_expired", "expires_at"),
)
