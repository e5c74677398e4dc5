"""Array literals: whatever a column holds, PostgreSQL reads back the same."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from hub.infra.store.arrays import literal
from hub.infra.store.database import Database

AWKWARD = [
    ["plain", None, ""],
    ["NULL", "null", "Null"],
    ["{a,b}", "a,b", "}", "{"],
    ['"', '""', '\\"', "\\", "\\\\", "\\N", "\\x00"],
    [" leading", "trailing ", "\t", "\n", "\r\n", "  "],
    ["ä", "漢字", "😀", "\u202e", "\x7f", "\x01"],
    ["'; DROP TABLE jobs; --", "$1", ":name", "%s"],
]


@pytest.mark.parametrize("values", AWKWARD)
async def test_awkward_texts_come_back_as_they_were(database_url: str, values: list[str | None]) -> None:
    """Quotes, backslashes, commas, braces, NULL as a word, blanks and other scripts."""
    database = Database(database_url)
    [(back,)] = await database.run(
        text("SELECT CAST(CAST(:column AS text) AS text[])"), {"column": literal(values)}
    )
    await database.close()
    assert back == values


async def test_any_texts_come_back_as_they_were(database_url: str) -> None:
    """Many random columns, each held against what PostgreSQL read."""
    columns: list[list[str | None]] = []
    characters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])

    @settings(max_examples=300, database=None)
    @given(st.lists(st.none() | st.text(characters, max_size=20), min_size=1, max_size=20))
    def collect(values: list[str | None]) -> None:
        if any(value is not None for value in values):
            columns.append(values)

    collect()
    database = Database(database_url)
    query = text("SELECT CAST(CAST(:column AS text) AS text[])")
    back = [(await database.run(query, {"column": literal(values)}))[0][0] for values in columns]
    await database.close()
    assert back == columns


async def test_every_type_that_the_stores_use_comes_back(database_url: str) -> None:
    """Ids, numbers, truth and times, each with a gap."""
    moment, id_ = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), uuid4()
    columns: dict[str, list[UUID | int | float | bool | datetime | None]] = {
        "uuid": [id_, None],
        "int": [-1, None, 2**31 - 1],
        "float8": [0.1, None, 1e-9, 1e300],
        "boolean": [True, None, False],
        "timestamptz": [moment, None],
    }
    database = Database(database_url)
    for kind, values in columns.items():
        query = text(f"SELECT CAST(CAST(:column AS text) AS {kind}[])")
        assert (await database.run(query, {"column": literal(values)}))[0][0] == values
    await database.close()


def test_nothing_but_nulls_is_null() -> None:
    """`unnest` fills up what is shorter, so a column that nobody uses costs nothing."""
    assert literal([None, None]) is None
    assert literal([]) is None
