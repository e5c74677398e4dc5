"""`python -m tests.scale`: make two million jobs, ask for every list, group and timeline, and hold the times to their bound.

What counts is the server's own time, from a request's arrival to its answer, as its metrics have it. One request at a time
is asked, so what is measured is how much there is to do for it.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import aiohttp
import asyncpg
from rich.console import Console
from rich.table import Table

from hub.infra import migrate
from hub.infra.embedded.postgres import PostgresServer
from hub.infra.embedded.redis import RedisServer
from hub.infra.embedded.sharing import shared
from hub.registry import load
from tests.drills.drill import Figure
from tests.drills.stage import resident
from tests.scale import dataset
from tests.scale.asking import Answered, Asker
from tests.scale.questions import questions
from tests.scale.samples import look
from tests.simulators.processes import Child, free_port, start

P95 = 0.1  # seconds of server time, for every question
DRY_RUN = 5.0  # seconds of server time, for a plan of every failed job
GROWTH = 32.0  # MiB that a process may have more after tens of thousands of answers than after one of each
_FILLED = "filled"


def main() -> None:
    """Fill, ask, tell; end with 0 only if every bound was kept."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console(stderr=options.json)
    with _directory(options.keep) as directory:
        # To be filled sooner. Asking writes nothing.
        postgres = PostgresServer(directory, {"fsync": "off", "max_wal_size": "8GB"})
        redis = RedisServer(directory)
        with shared(directory, [postgres, redis]):
            migrate.upgrade(postgres.url)
            asyncio.run(_fill(directory, postgres.url, options.jobs, console))
            answered, figures = asyncio.run(_measure(directory, postgres.url, redis.url, options, console))
    if options.json:
        sys.stdout.write(json.dumps(_document(answered, figures)) + "\n")
    else:
        console.print(_table(answered))
        for figure in figures:
            console.print(f"{figure.what}: {figure.value:.3g} {figure.unit} (at most {figure.bound:g})")
    slow = [one for one in answered if one.percentile(0.95) > P95]
    for one in slow:
        console.print(f"slowest: {one.slowest}", highlight=False, soft_wrap=True)
    broken = [one.name for one in slow] + [figure.what for figure in figures if not figure.held]
    if broken:
        console.print("[red]beyond its bound:[/red] " + ", ".join(broken))
    sys.exit(1 if broken else 0)


async def _fill(directory: Path, url: str, jobs: int, console: Console) -> None:
    if (directory / _FILLED).exists():
        console.print("the database is filled already")
        return
    console.print(f"making {jobs:,} jobs …")
    await dataset.fill(url, jobs)
    (directory / _FILLED).touch()


async def _measure(
    directory: Path, postgres: str, redis: str, options: argparse.Namespace, console: Console
) -> tuple[list[Answered], list[Figure]]:
    notes, port = directory / "times", free_port()
    environ = {
        "HUB_DATABASE_URL": postgres,
        "HUB_REDIS_URL": redis,
        "HUB_PORT": str(port),
        "HUB_RATE_LIMIT": "0",
    }
    child = start([sys.executable, "-m", "tests.scale.server", str(notes)], env=environ)
    try:
        child.wait_for_port(port)
        headers = {"Authorization": f"Bearer {dataset.TOKEN}"}
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
            return await _asked(Asker(session, notes), child, postgres, options, console)
    finally:
        child.stop()


async def _asked(
    asker: Asker, child: Child, postgres: str, options: argparse.Namespace, console: Console
) -> tuple[list[Answered], list[Figure]]:
    figures = [Figure("a plan's dry run over every failed job", await asker.plan(), "s", DRY_RUN)]
    connection = await asyncpg.connect(postgres)
    asked = [one for one in questions(load(), await look(connection)) if options.only in one.name]
    await connection.close()
    console.print(f"asking {len(asked)} questions {options.asks} times each …")
    for question in asked:
        await asker.ask(question, 1)
    before = resident(child)
    answered = [await asker.ask(question, options.asks) for question in asked]
    after = resident(child)
    growth = Figure(
        f"memory of the web process: {before:.0f} MiB before, {after:.0f} MiB after",
        after - before,
        "MiB more",
        GROWTH,
    )
    return answered, [*figures, growth]


@contextmanager
def _directory(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
    else:
        with tempfile.TemporaryDirectory(prefix="hub-scale-") as made:
            yield Path(made)


def _document(answered: Sequence[Answered], figures: Sequence[Figure]) -> dict[str, object]:
    return {
        "questions": [
            {
                "name": one.name,
                "p50": one.percentile(0.5),
                "p95": one.percentile(0.95),
                "most": one.percentile(1),
            }
            for one in answered
        ],
        "figures": [{**asdict(figure), "held": figure.held} for figure in figures],
    }


def _table(answered: Sequence[Answered]) -> Table:
    table = Table(title="Server time in milliseconds, slowest first")
    table.add_column("Question")
    for head in ("p50", "p95", "most"):
        table.add_column(head, justify="right")
    for one in sorted(answered, key=lambda each: -each.percentile(0.95)):
        shown = (f"{one.percentile(share) * 1000:.1f}" for share in (0.5, 0.95, 1))
        table.add_row(one.name, *shown, style="red" if one.percentile(0.95) > P95 else None)
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2_000_000, help="how many jobs to make")
    parser.add_argument("--asks", type=int, default=300, help="how often to ask each question")
    parser.add_argument("--only", default="", help="only questions with this in their name")
    parser.add_argument("--keep", type=Path, help="a directory for the database, used again if it is filled")
    parser.add_argument("--json", action="store_true", help="for machines")
    return parser.parse_args()


if __name__ == "__main__":
    main()
