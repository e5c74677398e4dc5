"""Which revision of the schema a database is at, and whether this release can work with it.

Without Alembic, which takes longer to import than most commands take to run. Revisions are numbered in the order of the
history, `0001`, `0002` and so on, and each file's name begins with its own.
"""

from enum import Enum
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from hub.infra.store.hosts import Hosts

_PATIENCE = 5.0  # seconds for an answer


class Standing(Enum):
    """How a database's schema compares with what this release brings."""

    CURRENT = "current"
    BEHIND = "behind"
    AHEAD = "ahead"  # migrated by a newer release, which keeps to what this one needs


@cache
def known() -> tuple[str, ...]:
    """Every revision of this release, oldest first."""
    spec = find_spec("migrations")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("The package migrations is not installed; it comes with the hub")
    versions = Path(spec.origin).parent / "versions"
    return tuple(sorted(path.name.partition("_")[0] for path in versions.glob("[0-9]*_*.py")))


def newest() -> str:
    """The revision that this release works with."""
    return known()[-1]


def standing(revision: str | None) -> Standing:
    """Compare a database's revision, None for an empty one, with the newest."""
    if revision is None or revision < newest():
        return Standing.BEHIND
    return Standing.CURRENT if revision == newest() else Standing.AHEAD


async def current(url: str) -> str | None:
    """The revision of the database at `url`; None for an empty one.

    Raises:
        OSError: nobody answers there (TimeoutError is one).
        asyncpg.PostgresError: somebody answers, and refuses.
    """
    # Nothing named is prepared, and all is one transaction: a pooler may stand between.
    connection = await Hosts(url, statement_cache_size=0, command_timeout=_PATIENCE).connect()
    try:
        async with connection.transaction():
            revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    else:
        return revision
    finally:
        await connection.close()
