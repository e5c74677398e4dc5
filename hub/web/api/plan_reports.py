"""What became of each job of a plan, as a download: sent as it is read, so that a million take no more memory than one page."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from aiohttp import web
from multidict import CIMultiDict

from hub.services.plan_views import PlanItemView
from hub.web.answers import PLAIN_HEADERS, dumps
from hub.web.calls import Call

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv; charset=utf-8"
_ENDINGS: Final = {CSV: "csv", NDJSON: "ndjson"}
COLUMNS: Final = tuple(field.name for field in fields(PlanItemView))


async def send(
    request: web.Request, call: Call, plan: UUID, kind: str, pages: AsyncIterator[list[PlanItemView]]
) -> web.StreamResponse:
    """Answer with a download of these items; `kind` is CSV or NDJSON."""
    call.waits = True
    headers = CIMultiDict(PLAIN_HEADERS)
    headers["Content-Type"] = kind
    headers["Content-Disposition"] = f'attachment; filename="plan-{plan}.{_ENDINGS[kind]}"'
    headers["X-Request-Id"] = call.correlation_id
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    if request.method != "HEAD":
        async for part in lines_of(kind, pages):
            await response.write(part)
    await response.write_eof()
    return response


async def lines_of(kind: str, pages: AsyncIterator[list[PlanItemView]]) -> AsyncIterator[bytes]:
    """A line for each item; of CSV with a head."""
    if kind == CSV:
        yield _csv([COLUMNS])
    async for page in pages:
        if kind == CSV:
            yield _csv([_cell(getattr(item, name)) for name in COLUMNS] for item in page)
        else:
            yield b"".join(dumps(item) + b"\n" for item in page)


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
