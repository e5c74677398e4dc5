"""The run with millions of jobs, with thousands: everything can be asked, and no table of size is read from end to end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import pytest

from hub import config
from hub.registry import load
from tests.scale import dataset
from tests.scale.asking import Answered, Asker
from tests.scale.questions import questions
from tests.scale.samples import Samples, Unknown, look
from tests.scale.server import serving
from tests.until import until

JOBS = 20_000
# What grows with the jobs there are.
GROWING = [
    "jobs", "attempts", "steps", "events", "waits", "idempotency_keys", "error_hours", "plan_items", "audit_log",
]  # fmt: skip
SCANS = "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = ANY($1)"
ALONE = (
    "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def test_every_list_can_be_asked_and_finds_what_it_shows_by_an_index(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """With sequential scans forbidden, one is made only where there is no index for the question at all."""
    await dataset.fill(database_url, JOBS)
    notes = tmp_path / "times"
    onlooker = await asyncpg.connect(database_url)
    try:
        name = await onlooker.fetchval("SELECT current_database()")
        await onlooker.execute(f"ALTER DATABASE {name} SET enable_seqscan = off")
        async with asking(database_url, redis_url, notes) as asker:
            # A plan of everything may read everything.
            await asker.plan()
        asked = questions(load(), await look(onlooker))
        before = await scans(onlooker)
        async with asking(database_url, redis_url, notes) as asker:
            for question in asked:
                times = len(question.urls) if question.name.endswith("q") else 3
                assert len((await asker.ask(question, times)).seconds) == times
        assert await scans(onlooker) == before
    finally:
        await onlooker.close()


async def scans(onlooker: Any) -> dict[str, int]:
    """How often each table was read from end to end, by all who have gone."""
    # Each connection tells what it has read when it ends.
    await until(lambda: onlooker.fetchval(ALONE))
    await onlooker.execute("SELECT pg_stat_force_next_flush()")
    found = {row["relname"]: row["seq_scan"] for row in await onlooker.fetch(SCANS, GROWING)}
    assert sorted(found) == sorted(GROWING)
    return found


@asynccontextmanager
async def asking(database_url: str, redis_url: str, notes: Path) -> AsyncIterator[Asker]:
    registry = load()
    stores = {
        "HUB_DATABASE_URL": database_url,
        "HUB_REDIS_URL": redis_url,
        "HUB_RATE_LIMIT": "0",
        "HUB_PORT": "0",
    }
    settings = config.load(stores, sources=registry.sources, providers=registry.providers)
    headers = {"Authorization": f"Bearer {dataset.TOKEN}"}
    with notes.open("w", buffering=1) as written:
        async with (
            serving(settings, registry, written) as (host, port),
            aiohttp.ClientSession(f"http://{host}:{port}", headers=headers) as session,
        ):
            yield Asker(session, notes)


NOBODY = [UUID(int=0)]
SAMPLES = Samples(NOBODY, NOBODY, NOBODY, NOBODY, ["s"], NOBODY, NOBODY, ["c"], ["t"])


def test_a_question_that_nobody_knows_how_to_ask_is_not_passed_over() -> None:
    """Whoever adds an endpoint is told where to say what can be asked for."""
    with pytest.raises(Unknown, match=r"say in tests/scale/samples.py what it can be"):
        SAMPLES.values("/v1/new", "colour")
    with pytest.raises(Unknown, match=r"what can stand for \{colour\}"):
        SAMPLES.places("/v1/new/{colour}", "colour")


@pytest.mark.parametrize(("share", "found"), [(0.5, 5), (0.95, 10), (1, 10), (0.1, 1)])
def test_a_percentile_is_the_time_that_so_many_were_within(share: float, found: float) -> None:
    """Of ten, the fifth is the median; the slowest is what 95 of 100 were within."""
    assert Answered("q", [*range(10, 0, -1)]).percentile(share) == found
