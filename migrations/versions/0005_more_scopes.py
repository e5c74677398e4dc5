"""Scopes for what operators do: see every job, judge uncertain effects, steer providers, read the audit log."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BEFORE = ("jobs:write", "jobs:read", "jobs:operate", "events:read", "events:operate", "admin")
_NOW = (
    "jobs:write",
    "jobs:read",
    "jobs:read-all",
    "jobs:operate",
    "jobs:decide",
    "events:list",
    "events:read",
    "events:operate",
    "providers:operate",
    "audit:read",
    "admin",
)


def upgrade() -> None:
    _allow(_NOW)


def downgrade() -> None:
    kept = _array(_BEFORE)
    # What the previous release does not know it cannot honour: its keys keep the rest.
    op.execute(
        f"UPDATE api_keys SET scopes = ARRAY(SELECT unnest(scopes) INTERSECT SELECT unnest({kept}))"  # noqa: S608
        f" WHERE NOT scopes <@ {kept}"
    )
    _allow(_BEFORE)


def _allow(scopes: tuple[str, ...]) -> None:
    # A few keys: reading them under the lock takes no time.
    op.execute("ALTER TABLE api_keys DROP CONSTRAINT api_keys_scopes_check")
    op.execute(
        f"ALTER TABLE api_keys ADD CONSTRAINT api_keys_scopes_check CHECK (scopes <@ {_array(scopes)})"
    )


def _array(scopes: tuple[str, ...]) -> str:
    return "ARRAY[{}]".format(", ".join(f"'{scope}'" for scope in scopes))
