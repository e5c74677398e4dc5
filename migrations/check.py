"""Rehearses the history of the schema on a database that is thrown away."""

import asyncio
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import MetaData, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from hub.infra import migrate
from hub.infra.embedded import embedded
from hub.infra.embedded.postgres import binary
from hub.infra.tables import metadata

Schema = Mapping[str, frozenset[str]]
"""The lines of each object's definition; neither their order nor that of the objects means anything."""


def check() -> Sequence[str]:
    """What is wrong with the migrations, a sentence each: they must run up, down to nothing and up again,
    and build what `hub.infra.tables` says, to the last constraint.
    """
    with scratch() as url:
        empty = schema(url)
        create(url, metadata)
        models = schema(url)
    with scratch() as url:
        migrate.upgrade(url)
        first = schema(url)
        problems = differences("the models", models, "the migrations", first)
        migrate.downgrade(url, "base")
        problems += differences("an empty database", empty, "one taken down to base", schema(url))
        migrate.upgrade(url)
        problems += differences("the first upgrade", first, "a second one", schema(url))
    return problems


def differences(one: str, this: Schema, other: str, that: Schema) -> list[str]:
    """Where two schemas are apart."""
    return [
        f"{name}: {one}: {sorted(this.get(name, frozenset()) - that.get(name, frozenset()))}, "
        f"{other}: {sorted(that.get(name, frozenset()) - this.get(name, frozenset()))}"
        for name in sorted(this.keys() | that.keys())
        if this.get(name) != that.get(name)
    ]


@contextmanager
def scratch(*, migrated: bool = False) -> Iterator[str]:
    """The address of a database on a server of its own."""
    directory = Path(tempfile.mkdtemp(prefix="hub-schema-"))
    try:
        with embedded(directory, settings={"fsync": "off"}) as servers:
            if migrated:
                migrate.upgrade(servers.database_url)
            yield servers.database_url
    finally:
        shutil.rmtree(directory)


def create(url: str, models: MetaData) -> None:
    """Make the schema without its history."""

    async def run() -> None:
        engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
        async with engine.begin() as connection:
            await connection.run_sync(models.create_all)
        await engine.dispose()

    asyncio.run(run())


def schema(url: str) -> Schema:
    """What pg_dump says the database is made of, Alembic's own table left out."""
    command: list[str | Path] = [
        binary("pg_dump"),
        "--schema-only",
        "--no-owner",
        "--exclude-table=alembic_version",
        "--dbname",
        url,
    ]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own arguments
    objects = re.split(r"^-- Name: ", dump, flags=re.MULTILINE)[1:]
    parts = (each.partition("\n") for each in objects)
    return {title.partition("; Schema")[0]: frozenset(_lines(body)) for title, _, body in parts}


def _lines(definition: str) -> Iterator[str]:
    for line in definition.splitlines():
        if line and not line.startswith(("--", "\\")):
            yield line.strip().removesuffix(",")
