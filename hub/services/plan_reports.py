"""What became of each job of a plan, as lines of text: made as they are read, so that a million take no more memory than a page."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Final

import orjson

from hub.services.plan_views import PlanItemView

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv; charset=utf-8"
COLUMNS: Final = tuple(field.name for field in fields(PlanItemView))


async def lines_of(kind: str, pages: AsyncIterator[list[PlanItemView]]) -> AsyncIterator[bytes]:
    """A line for each item; of CSV with a head."""
    if kind == CSV:
        yield _csv([COLUMNS])
    async for page in pages:
        if kind == CSV:
            yield _csv([_cell(getattr(item, name)) for name in COLUMNS] for item in page)
        else:
            yield b"".join(orjson.dumps(item, str, _AS_LINES) for item in page)


# asyncpg's UUIDs are a subclass, which orjson leaves to us.
_AS_LINES: Final = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    # RFC 4180
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    text = str(value)
    # What a spreadsheet would take for a formula: some of it comes from strangers.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
