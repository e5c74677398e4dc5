"""What people have in their data that searches can name. Bounded, as it is offered while they type."""

from sqlalchemy import text

from hub.infra.store.database import Database

_CODES = text("SELECT DISTINCT code FROM error_groups WHERE code <> '' ORDER BY code LIMIT 200")
_APPLICATIONS = text("SELECT name FROM applications ORDER BY name LIMIT 200")


class VocabularyStore:
    """Reads, each one statement over a small table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def codes(self) -> list[str]:
        """Codes that jobs have failed with."""
        return [row[0] for row in await self._database.run(_CODES)]

    async def applications(self) -> list[str]:
        """Names of applications."""
        return [row[0] for row in await self._database.run(_APPLICATIONS)]
