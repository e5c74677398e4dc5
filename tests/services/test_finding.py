"""Lists of what is searched for: the same as the search says, page by page, however it is got at."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text as sql

from hub.domain.search import EVENTS, parse
from hub.infra.store.database import Database
from hub.infra.store.finding import FIRST, LAST, FindingStore, Span
from hub.services.finding import Find, Found, Pace, route_of
from hub.services.searching import time_of, where_of
from tests.services.test_searching import NOW

OWN = UUID(int=5)
# Of all kinds, so that every way of getting at jobs has something to find and something to pass over.
FILL = f"""
INSERT INTO applications (id, name) VALUES ('{OWN}', 'shop'), ('{UUID(int=6)}', 'till');
INSERT INTO queues (name) VALUES ('default'), ('payments');
INSERT INTO workers (id, host, pid, release, queues, concurrency, lease_until)
    VALUES ('{UUID(int=3)}', 'h', 1, '1', '{{}}', 1, now());
INSERT INTO events (id, source, external_id, type, headers, secret_index, correlation_id, subject)
    SELECT CAST(lpad(to_hex(n), 32, '0') AS uuid), CASE n % 2 WHEN 0 THEN 'stripe' ELSE 'github' END, 'evt_' || n,
        't' || n % 3, '{{}}', 0, 'c' || n % 50, CASE n % 2 WHEN 0 THEN 's' || n END FROM generate_series(1, 300) n;
INSERT INTO error_groups (signature, job, step, provider, operation, kind, code, message, attempts, lost, first_seen_at,
                          last_seen_at, example_id)
    SELECT 'sig' || n, 'a.n' || n % 3, 's', CASE n % 2 WHEN 0 THEN 'stripe' ELSE 'rare' || n END, 'o', 'k', 'code' || n % 4, 'm',
        1, 1, now(), now(), gen_random_uuid() FROM generate_series(0, 79) n;
INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, application_id, event_id, correlation_id, tags,
                  dispatched_at, worker_id, settled_at, error_signature, error_code, error_message)
    SELECT CAST('019aa0f2-7c4e-7000-8000-' || lpad(to_hex(n), 12, '0') AS uuid), 'a.n' || n % 80 % 3, '{{}}',
        CASE n % 5 WHEN 0 THEN 'payments' ELSE 'default' END, 5, state,
        CASE state WHEN 'failed' THEN 'exhausted' WHEN 'held' THEN 'queue_paused' END, now(),
        CASE n % 3 WHEN 0 THEN CAST('{OWN}' AS uuid) END, CASE n % 7 WHEN 0 THEN CAST(lpad(to_hex(n % 300 + 1), 32, '0') AS uuid) END,
        'c' || n % 50, CASE n % 4 WHEN 0 THEN jsonb_build_array('order:' || n, 'even') ELSE '[]' END,
        CASE WHEN state = 'queued' AND n % 2 = 0 THEN now() END,
        CASE WHEN state = 'running' THEN CAST('{UUID(int=3)}' AS uuid) END,
        CASE WHEN state IN ('succeeded', 'failed', 'cancelled') THEN now() END,
        CASE WHEN state IN ('failed', 'retrying') THEN 'sig' || n % 80 END,
        CASE WHEN state IN ('failed', 'retrying') THEN 'code' || n % 80 % 4 END,
        CASE WHEN state IN ('failed', 'retrying') THEN 'message ' || n END
    FROM (SELECT n, (ARRAY['succeeded', 'succeeded', 'failed', 'failed', 'cancelled', 'queued', 'running', 'held', 'retrying',
                           'scheduled', 'waiting'])[n % 11 + 1] AS state FROM generate_series(1, 3000) n) made;
"""  # noqa: S608 - constants

SEARCHES = [
    "",
    "state:failed",
    "state:failed,cancelled",
    "state:failed,held",
    "state:queued",
    "state:running,retrying,held",
    "-state:succeeded",
    "state:succeeded queue:payments",
    "job:a.n1",
    "order:1232",
    "order:1232,1236,1240 state:failed",
    "tag:even",
    "correlation:c7",
    "correlation:c7 state:failed",
    "event:00000000000000000000000000000008",
    "00000000000000000000000000000008",
    "id:019aa0f2-7c4e-7000-8000-000000000001,019aa0f2-7c4e-7000-8000-0000000000ff",
    "signature:sig3",
    "signature:sig3,sig4 state:retrying",
    "provider:stripe",
    "provider:rare3 code:code3",
    "provider:nobody",
    "code:code2 state:failed queue:payments",
    'error:"message 12"',
    "error:nothing",
    "12 -state:succeeded",
    "application:shop state:failed",
    "source:stripe",
    "since:1m",
    "until:1m",
    "since:2025-11-20T13:00Z until:2025-11-20T14:00Z",
]
EVENT_SEARCHES = [
    "",
    "source:stripe",
    "type:t1",
    "type:t1,t2 source:github",
    "type:t*",
    "external:evt_17",
    "subject:s18",
    "correlation:c7",
    "id:00000000000000000000000000000008",
    "00000000000000000000000000000008",
    "evt_2",
    "since:1m",
]


@pytest.fixture
async def filled(database_url: str) -> AsyncIterator[Database]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(FILL)
    await connection.close()
    database = Database(database_url)
    yield database
    await database.close()


async def everything(
    find: Find, text: str, *, limit: int, own: UUID | None = None, events: bool = False
) -> list[UUID]:
    """All pages of a search, one after the other."""
    query, ids, after = parse(text, NOW, EVENTS) if events else parse(text, NOW), list[UUID](), None
    while True:
        page = await find.page(query, limit=limit, after=after, own=own)
        assert len(page.ids) <= limit
        ids += page.ids
        if page.last is None:
            assert page.searched_to is None
            return ids
        after = page.last


async def truth(database: Database, text: str, own: UUID | None, *, events: bool = False) -> list[UUID]:
    """What the conditions alone find."""
    where = where_of(parse(text, NOW, EVENTS) if events else parse(text, NOW))
    if own is not None:
        where = where.and_("j.application_id = :own", own=own)
    table = "events e" if events else "jobs j"
    rows = await database.run(sql(f"SELECT id FROM {table} WHERE {where} ORDER BY id DESC"), where.values)  # noqa: S608 - under test
    return [row[0] for row in rows]


def impatient() -> Pace:
    """Time is over after one small step of the walk."""
    clock: Iterator[int] = count()
    return Pace(seconds=0.5, first=100, timer=lambda: float(next(clock)))


@pytest.mark.parametrize("own", [None, OWN], ids=["everybody's", "an application's own"])
@pytest.mark.parametrize("text", SEARCHES)
async def test_pages_hold_what_the_search_says(filled: Database, text: str, own: UUID | None) -> None:
    """Each job once, newest first, whether a page is filled at a leisurely pace or cut short again and again."""
    expected = await truth(filled, text, own)
    for pace in (Pace(seconds=30), impatient()):
        assert await everything(Find(FindingStore(filled), pace), text, limit=70, own=own) == expected


@pytest.mark.parametrize("text", EVENT_SEARCHES)
async def test_pages_of_events_hold_what_the_search_says(filled: Database, text: str) -> None:
    """As for jobs."""
    expected = await truth(filled, text, None, events=True)
    assert expected or text == "since:1m"
    for pace in (Pace(seconds=30), impatient()):
        found = await everything(Find(FindingStore(filled), pace), text, limit=7, events=True)
        assert found == expected


async def test_a_search_that_finds_little_stops_in_time_and_says_how_far_it_came(filled: Database) -> None:
    """Nobody takes a short page for all there is."""
    page = await Find(FindingStore(filled), impatient()).page(parse("error:nothing", NOW), limit=10)
    assert page.ids == []
    assert page.last is not None
    assert page.searched_to == time_of(page.last)


async def test_a_full_page_looks_no_further_than_it_must(filled: Database) -> None:
    """Its cursor is its last job."""
    page = await Find(FindingStore(filled), impatient()).page(parse("state:failed", NOW), limit=10)
    assert page == Found(page.ids, page.ids[-1])


async def test_more_than_a_few_are_walked(filled: Database) -> None:
    """A tag that thousands have is not gathered and sorted for each page."""
    many = "UPDATE jobs SET tags = '[\"common\"]'"
    await filled.run(sql(many))
    page = await Find(FindingStore(filled), impatient()).page(
        parse("tag:common queue:payments", NOW), limit=90
    )
    assert 0 < len(page.ids) < 90
    assert page.searched_to is not None


@pytest.mark.parametrize(
    ("text", "few", "paths"),
    [
        ("", 0, ["true"]),
        ("state:failed", 0, ["j.state = 'failed'"]),
        ("state:failed,cancelled", 0, ["j.state = 'failed'", "j.state = 'cancelled'"]),
        ("state:failed,succeeded", 0, ["true"]),
        ("state:queued,held", 3, ["true"]),
        ("order:1 state:failed", 1, ["j.state = 'failed'"]),
        ("application:shop", 0, ["j.application_id = (SELECT id FROM applications WHERE name = CAST(:f0 AS text))"]),
        ("application:s*", 0, ["true"]),
    ],
)  # fmt: skip
def test_a_search_is_got_at_by_what_narrows_it_most(text: str, few: int, paths: list[str]) -> None:
    """By an index that serves it, and along one that is in the order of ids."""
    route = route_of(parse(text, NOW))
    assert (len(route.few), [str(path) for path in route.paths]) == (few, paths)


def test_an_application_s_list_is_walked_along_its_own_jobs() -> None:
    """Others' jobs cost it nothing."""
    assert [path.values for path in route_of(parse("state:failed", NOW), OWN).paths] == [{"own": OWN}]


def test_times_bound_the_ids() -> None:
    """Nothing outside is looked at."""
    assert route_of(parse("", NOW)).span == Span(FIRST, LAST)
    span = route_of(parse("since:2h until:1h", NOW)).span
    assert (NOW - time_of(span.low)).total_seconds() == 2 * 3600 + 300
    assert (NOW - time_of(span.high)).total_seconds() == 3600 - 300
