"""The language of the search box."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.domain.search import (
    EVENTS,
    JOBS,
    MAX_LENGTH,
    MAX_TERMS,
    MAX_TEXTS,
    MAX_VALUES,
    Comparison,
    Kind,
    Language,
    Moment,
    Name,
    NotUnderstood,
    Query,
    Value,
    Vocabulary,
    complete,
    parse,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ID = "019aa0f2-7c4e-7c31-9b5f-6f1f0c2d4e5a"


def asked(text: str, language: Language = JOBS) -> list[tuple[str, list[Value], bool]]:
    """The terms of a search: field, values, negated."""
    return [(term.field.name, list(term.values), term.negated) for term in parse(text, NOW, language).terms]


def test_the_example_of_the_help_is_understood() -> None:
    """States, providers, quoted text, a business key and an age, side by side."""
    assert asked('state:failed provider:stripe error:"timed out" order:1234 since:2h') == [
        ("state", [Name("failed")], False),
        ("provider", [Name("stripe")], False),
        ("error", [Name("timed out")], False),
        ("tag", [Name("order:1234")], False),
        ("since", [Moment("2h", NOW - timedelta(hours=2))], False),
    ]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("  \t\n ", []),
        ("state:Failed,held", [("state", [Name("failed"), Name("held")], False)]),
        ("STATE:failed", [("state", [Name("failed")], False)]),
        ("-state:failed", [("state", [Name("failed")], True)]),
        ("job:payments.*", [("job", [Name("payments.", prefix=True)], False)]),
        ('job:"payments.*"', [("job", [Name("payments.*")], False)]),
        ('job:"a b"*', [("job", [Name("a b", prefix=True)], False)]),
        ("provider:*", [("provider", [Name("", prefix=True)], False)]),
        ("app:shop", [("application", [Name("shop")], False)]),
        (f"id:{ID},{ID.upper()}", [("id", [UUID(ID), UUID(ID)], False)]),
        ("attempts:>3 attempts:<=5", [("attempts", [Comparison(">", 3)], False), ("attempts", [Comparison("<=", 5)], False)]),
        ("priority:9", [("priority", [Comparison("=", 9)], False)]),
        ("tag:state:failed", [("tag", [Name("state:failed")], False)]),
        ("order:1,2", [("tag", [Name("order:1"), Name("order:2")], False)]),
        ("Order:12:b", [("tag", [Name("Order:12:b")], False)]),
        ("timeout -declined", [("", [Name("timeout")], False), ("", [Name("declined")], True)]),
        ('"state:failed" "it\'s \\"it\\" \\\\"', [("", [Name("state:failed")], False), ("", [Name("it's \"it\" \\")], False)]),
        ("-", [("", [Name("-")], False)]),
        ("14:05 a,b", [("", [Name("14:05")], False), ("", [Name("a,b")], False)]),
        ("until:2026-11-30", [("until", [Moment("2026-11-30T00:00:00Z", datetime(2026, 11, 30, tzinfo=UTC))], False)]),
        ("since:2026-11-30T10:00+02:00", [("since", [Moment("2026-11-30T08:00:00Z", datetime(2026, 11, 30, 8, tzinfo=UTC))], False)]),
    ],
)  # fmt: skip
def test_each_way_to_write_a_term_is_understood(
    text: str, terms: list[tuple[str, list[Value], bool]]
) -> None:
    """Lists, negations, beginnings, comparisons, quotes, business keys, words and times."""
    assert asked(text) == terms


@pytest.mark.parametrize(
    ("text", "at", "what"),
    [
        ("state:faild", 6, "state: there is no 'faild', did you mean failed?"),
        ("x state:failed,xyzzy", 15, "state: there is no 'xyzzy', there are scheduled, queued"),
        ("state:", 6, "state: needs a value here"),
        ("order:", 6, "order: needs a value here"),
        ("state:failed,", 13, "needs a value here"),
        ('error:""', 6, "needs a value here"),
        ('""', 0, "there is nothing between these quotes"),
        ('a error:"no end', 8, "this quote is not closed"),
        ('"a"b', 3, "put a space after the closing quote"),
        ('job:"a"b', 7, "put a space after the closing quote"),
        ("id:42", 3, "id: takes whole ids"),
        ("attempts:many", 9, "attempts: takes a number, as `3`, `>3`"),
        ("attempts:99999999999", 9, "attempts: takes a number"),
        ("since:yesterday", 6, "since: takes how long ago, as `30m`"),
        ("since:999999w", 6, "since: takes how long ago"),
        ("since:0001-01-01T00:00+14:00", 6, "since: takes how long ago"),
        ("since:1h,2h", 0, "since: takes one time"),
        ("-since:1h", 1, "without the minus"),
        ("since:1h since:2h", 9, "since: is there twice: keep one"),
        ("since:1h until:2h", 9, "there is nothing between them"),
        ("until:2h since:1h", 9, "there is nothing between them"),
        ("state:failed state:held", 13, "state: is there twice: write state:one,other"),
        ('order:"1"*', 6, "leave out the *"),
        ("a\0b", 1, "this character cannot be searched for"),
        ("\ud800", 0, "this character cannot be searched for"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_to_do(text: str, at: int, what: str) -> None:
    """So that the console can point at it."""
    with pytest.raises(NotUnderstood) as refused:
        parse(text, NOW)
    assert refused.value.at == at
    assert what in refused.value.what
    assert str(refused.value) == f"character {at + 1} of the search: {refused.value.what}"


def test_a_word_that_is_nearly_a_field_finds_a_tag_and_says_so() -> None:
    """It is not refused, as business keys are named by their owners."""
    assert parse("stat:failed", NOW).hints == (
        "stat: is no field, so this finds a tag; did you mean state:?",
    )
    assert parse("order:1 customer:2 invoice:3", NOW).hints == ()


def test_events_have_fields_of_their_own_and_no_business_keys() -> None:
    """A word that is no field is refused there."""
    assert asked(f"source:stripe type:payment_intent.* {ID}", EVENTS) == [
        ("source", [Name("stripe")], False),
        ("type", [Name("payment_intent.", prefix=True)], False),
        ("", [Name(ID)], False),
    ]
    with pytest.raises(NotUnderstood, match="events have no order:, there are source, type"):
        parse("order:1", NOW, EVENTS)
    with pytest.raises(NotUnderstood, match="events have no sourc:, did you mean source:"):
        parse("sourc:x", NOW, EVENTS)


@pytest.mark.parametrize("language", [JOBS, EVENTS])
def test_every_field_s_example_is_understood_as_that_field(language: Language) -> None:
    """The reference and the help show them."""
    for field in language.fields:
        for term in parse(field.example, NOW, language).terms:
            assert term.field is field
        for alias in field.aliases:
            assert language.find(alias) is field


def test_a_part_can_be_asked_for_and_left_out() -> None:
    """What the tabs of a list do with the state."""
    query = parse("state:failed -state:held order:1", NOW)
    assert [str(term.values[0]) for term in query.having("state")] == [str(Name("failed"))]
    assert str(query.without("state")) == "order:1"


_PIECES = st.sampled_from(
    ["state:failed", "-", '"', ",", ":", "order:", "tag:", "since:2h", "attempts:>", "\\", "*", " ", "job:", ID, "a", "é", "\0", ">=", "9"]
)  # fmt: skip
ANYTHING = st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=30).map("".join))


@given(ANYTHING, st.sampled_from([JOBS, EVENTS]))
@example("since:00000-01-01", JOBS)
def test_nothing_that_can_be_typed_raises_anything_but_the_refusal(text: str, language: Language) -> None:
    """And what is refused has a place within the text, or at its end."""
    refusal = None
    try:
        parse(text, NOW, language)
    except NotUnderstood as refused:
        refusal = refused
    assert refusal is None or 0 <= refusal.at <= len(text)


@given(ANYTHING, st.sampled_from([JOBS, EVENTS]))
@example('tag:"a:b c",x -job:"a*"* "-x" -"y" tag:id:1 a:b,', JOBS)
@example('tag:"a:b,c"', JOBS)
def test_what_was_understood_is_written_so_that_it_is_understood_alike(text: str, language: Language) -> None:
    """Saved views, plans and links hold the written form; written twice it is the same."""
    try:
        query = parse(text, NOW, language)
    except NotUnderstood:
        return
    again = parse(str(query), NOW, language)
    assert again.terms == query.terms
    assert str(again) == str(query)


@given(ANYTHING, st.integers(-5, 300))
def test_completion_takes_whatever_is_typed_so_far(text: str, cursor: int) -> None:
    """It replaces what stands before the cursor, and nothing else."""
    for suggestion in complete(text, cursor, Vocabulary({"job": ['a"b', "c d"]})):
        assert 0 <= suggestion.start <= suggestion.end == min(max(cursor, 0), len(text))


def test_length_and_number_are_bounded() -> None:
    """A search costs the database something for each of its terms."""
    assert len(parse(" ".join(["order:a"] * MAX_TERMS), NOW).terms) == MAX_TERMS
    with pytest.raises(NotUnderstood, match="more than 40 terms"):
        parse(" ".join(["order:a"] * (MAX_TERMS + 1)), NOW)
    with pytest.raises(NotUnderstood, match="more than 250 values"):
        parse("tag:" + ",".join("a" * (MAX_VALUES + 1)), NOW)
    with pytest.raises(NotUnderstood, match="longer than 8,000 characters"):
        parse("a" * (MAX_LENGTH + 1), NOW)
    assert len(parse("id:" + ",".join([ID] * 200), NOW).terms[0].values) == 200


@pytest.mark.parametrize("texts", ["a ", "-a "])
def test_texts_without_an_index_are_few(texts: str) -> None:
    """Each is looked for in every row on the way."""
    assert len(parse(texts * MAX_TEXTS, NOW).terms) == MAX_TEXTS
    with pytest.raises(NotUnderstood, match="words or texts"):
        parse(texts * (MAX_TEXTS + 1), NOW)
    with pytest.raises(NotUnderstood, match="words or texts"):
        parse("a text:" + ",".join("a" * MAX_TEXTS), NOW)


@pytest.mark.parametrize("piece", ["a", "a:", '"', "-", "\\", 'a"', "a.", "a:b,"])
def test_reading_takes_time_in_proportion_to_the_length(piece: str) -> None:
    """The longest text of the worst kind is read within a moment, not within the square of it."""
    text = (piece * MAX_LENGTH)[:MAX_LENGTH]
    began = time.process_time()
    with suppress(NotUnderstood):
        parse(text, NOW)
    complete(text, len(text), Vocabulary())
    assert time.process_time() - began < 0.5


VOCABULARY = Vocabulary(
    {"job": ["payments.charge", "payments.refund", "mail.send", "repay"], "queue": ["two words"]}
)


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("st", ["state:"]),
        ("-rea", ["reason:"]),
        ("state:failed pr", ["provider:", "priority:"]),
        ("state:fa", ["failed"]),
        ("state:failed,hel", ["held"]),
        ("state:failed,fai", []),
        ("job:pay", ["payments.charge", "payments.refund", "repay"]),
        ('job:"pay', ["payments.charge", "payments.refund", "repay"]),
        ("queue:", ['"two words"']),
        ("since:", ["15m", "1h", "6h", "1d", "7d"]),
        ("order:12", []),
        ('error:"st', []),
        ("id:", []),
    ],
)
def test_fields_and_then_their_values_are_offered(text: str, offered: list[str]) -> None:
    """What begins so comes before what only holds it."""
    assert [one.text for one in complete(text, len(text), VOCABULARY)] == offered


def test_a_suggestion_says_what_it_replaces() -> None:
    """Only what is left of the cursor counts, within a longer text too."""
    text = "state:fa order:1"
    (suggestion,) = complete(text, 8, VOCABULARY)
    assert text[: suggestion.start] + suggestion.text + text[suggestion.end :] == "state:failed order:1"


def test_an_empty_search_offers_fields_with_what_they_find() -> None:
    """The first thing that somebody sees who does not know the language."""
    first = complete("", 0, VOCABULARY)[0]
    assert (first.text, first.about) == ("state:", "where it stands")


def test_a_query_of_no_terms_is_the_empty_text() -> None:
    """It finds everything."""
    assert not str(Query(JOBS))
    assert all(field.kind is not Kind.WORD for field in JOBS.fields)
