"""Finding jobs and events that satisfy any search, at a price that is known beforehand.

Rows are walked from the newest back, along an index that is in the order of ids, a window at a time; what does not satisfy the
search is passed over. Whoever asks says how many rows are looked at, and is told how far the walk has come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.domain.jobs import JobState
from hub.infra.store.database import Database
from hub.infra.store.reading import Where

FIRST, LAST = UUID(int=0), UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True)
class Table:
    """What is searched, and what its conditions call it."""

    name: str
    alias: str


JOBS, EVENTS = Table("jobs", "j"), Table("events", "e")


@dataclass(frozen=True, slots=True)
class Span:
    """Ids from `low` up to, and without, `high`."""

    low: UUID = FIRST
    high: UUID = LAST


# Each with an index of its own in the order of ids.
_IN_ORDER = frozenset({JobState.FAILED.value, JobState.CANCELLED.value})


class FindingStore:
    """Walks, each step one statement.

    `paths` are conditions that an index in the order of ids serves each, `few` are conditions that any index serves; no row
    satisfies two of them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def end_of(self, table: Table, paths: Sequence[Where], span: Span, window: int) -> UUID | None:
        """The id of the last of the `window` newest rows on the paths; None if there are not so many."""
        statement = (
            f"SELECT id FROM ({_walk(table, paths)}) walked ORDER BY id DESC OFFSET :window - 1 LIMIT 1"  # noqa: S608 - conditions are constants, values are bound
        )
        rows = await self._database.run(text(statement), _values(paths, span, window=window))
        return rows[0][0] if rows else None

    async def on(
        self, table: Table, paths: Sequence[Where], span: Span, where: Where, *, window: int, limit: int
    ) -> list[UUID]:
        """Those of the `window` newest rows on the paths that satisfy the conditions, newest first."""
        statement = f"""
            SELECT id FROM ({_walk(table, paths)}) {table.alias} WHERE {where}
            ORDER BY {table.alias}.id DESC LIMIT :limit
        """  # noqa: S608 - conditions are constants, values are bound
        values = _values([*paths, where], span, window=window, limit=limit)
        return [row[0] for row in await self._database.run(text(statement), values)]

    async def count(self, table: Table, few: Sequence[Where], most: int) -> int:
        """How many rows there are; `most` also stands for more."""
        statement = f"SELECT count(*) FROM ({_some(table, few)}) counted"  # noqa: S608 - conditions are constants, values are bound
        values = _values(few, Span(), most=most)
        return sum(row[0] for row in await self._database.run(text(statement), values))

    async def among(
        self, table: Table, few: Sequence[Where], span: Span, where: Where, *, most: int, limit: int
    ) -> list[UUID]:
        """Those of a few rows, `most` at most, that satisfy the conditions, newest first."""
        alias = table.alias
        statement = f"""
            SELECT id FROM ({_some(table, few)}) {alias}
            WHERE {where} AND {alias}.id >= CAST(:low AS uuid) AND {alias}.id < CAST(:high AS uuid)
            ORDER BY {alias}.id DESC LIMIT :limit
        """  # noqa: S608 - conditions are constants, values are bound
        values = _values([*few, where], span, most=most, limit=limit)
        return [row[0] for row in await self._database.run(text(statement), values)]

    async def tally(
        self, kinds: Mapping[str, Sequence[Where]], where: Where, most: int
    ) -> list[tuple[str, int, int]]:
        """For each kind of job, of `most` of it: its name, how many satisfy the conditions, how many there are.

        The newest, where an index has them in that order. Elsewhere the order would send the planner through all jobs there
        are, a hundred thousand for a thousand that are due later.
        """
        arms, values = list[str](), dict[str, Any]()
        for number, (name, paths) in enumerate(kinds.items()):
            counted = f"count(*) FILTER (WHERE {where}), count(*)"
            some = _some(JOBS, paths, newest=name in _IN_ORDER)
            arms.append(f"SELECT CAST(:kind{number} AS text), {counted} FROM ({some}) j")  # noqa: S608 - conditions are constants, values are bound
            values |= {f"kind{number}": name, **_values([*paths, where], Span(), most=most)}
        rows = await self._database.run(text(" UNION ALL ".join(arms)), values)
        return [(row[0], row[1], row[2]) for row in rows]

    async def tally_few(self, few: Sequence[Where], where: Where, most: int) -> list[tuple[str, int]]:
        """Of a few jobs, `most` at most: how many are in each state and satisfy the conditions."""
        statement = f"SELECT state, count(*) FROM ({_some(JOBS, few)}) j WHERE {where} GROUP BY state"  # noqa: S608 - conditions are constants, values are bound
        values = _values([*few, where], Span(), most=most)
        return [(row[0], row[1]) for row in await self._database.run(text(statement), values)]

    async def causes(self, where: Where, most: int) -> list[str]:
        """Signatures of the error groups that satisfy the conditions, `most` at most."""
        statement = f"SELECT signature FROM error_groups g WHERE {where} LIMIT :most"  # noqa: S608 - conditions are constants, values are bound
        return [row[0] for row in await self._database.run(text(statement), {**where.values, "most": most})]


def _some(table: Table, few: Sequence[Where], *, newest: bool = False) -> str:
    """All rows of these kinds, if they are few. The limit keeps the planner from looking for them along the ids of all."""
    order = f" ORDER BY {table.alias}.id DESC" if newest and len(few) == 1 else ""
    kinds = " UNION ALL ".join(
        f"(SELECT * FROM {table.name} {table.alias} WHERE {kind}{order} LIMIT :most)"  # noqa: S608 - conditions are constants, values are bound
        for kind in few
    )
    return f"SELECT * FROM ({kinds}) every LIMIT :most"  # noqa: S608 - as above


def _walk(table: Table, paths: Sequence[Where]) -> str:
    """The newest rows on the paths. Each is walked by itself, and they are merged on the way."""
    alias = table.alias
    ways = [
        f"SELECT * FROM {table.name} {alias} WHERE {path} AND {alias}.id >= CAST(:low AS uuid)"  # noqa: S608 - conditions are constants, values are bound
        f" AND {alias}.id < CAST(:high AS uuid) ORDER BY {alias}.id DESC LIMIT :window"
        for path in paths
    ]
    if len(ways) == 1:
        return ways[0]
    return "{} ORDER BY id DESC LIMIT :window".format(" UNION ALL ".join(f"({way})" for way in ways))


def _values(wheres: Sequence[Where], span: Span, **more: Any) -> Mapping[str, Any]:
    values: dict[str, Any] = {"low": span.low, "high": span.high, **more}
    for where in wheres:
        values |= where.values
    return values
