"""Reading the search box. One pass from left to right; what is wrong is told with its place and what to do about it."""

import unicodedata
from datetime import datetime
from difflib import get_close_matches

from hub.domain.search.fields import JOBS, WORD, Field, Kind, Language
from hub.domain.search.query import FIELD_NAME, Moment, Name, Query, Term, Value
from hub.domain.search.values import NotUnderstood, Piece, shown, value_of

MAX_LENGTH = 8_000  # characters; a selection of 200 ids fits
MAX_TERMS = 40
MAX_VALUES = 250
# Each is looked for in several columns of every row on the way; no index serves it.
MAX_TEXTS = 12
# How alike a word and a field's name are, of 1, when the one may be meant for the other.
_ALIKE = 0.75


def parse(text: str, now: datetime, language: Language = JOBS) -> Query:
    """Understand a search. The empty one finds everything.

    Args:
        text: as typed, at most MAX_LENGTH characters.
        now: what `2h` counts from.
        language: what is searched.

    Raises:
        NotUnderstood: and nothing else, whatever the text.
    """
    if len(text) > MAX_LENGTH:
        raise NotUnderstood(MAX_LENGTH, f"it is longer than {MAX_LENGTH:,} characters: make it shorter")
    return _Reader(text, now, language).read()


class _Reader:
    """Stands at a place in the text and moves on."""

    def __init__(self, text: str, now: datetime, language: Language) -> None:
        self._text = text
        self._now = now
        self._language = language
        self._at = 0
        self._values = 0
        self._texts = 0
        self._terms: list[Term] = []
        self._hints: list[str] = []

    def read(self) -> Query:
        self._refuse_control_characters()
        while self._skip_blanks():
            at = self._at
            if len(self._terms) == MAX_TERMS:
                raise NotUnderstood(at, f"it has more than {MAX_TERMS} terms: make it shorter")
            term = self._term()
            self._refuse_contradictions(term, at)
            self._refuse_more_texts(term, at)
            self._terms.append(term)
        return Query(self._language, tuple(self._terms), tuple(self._hints))

    def _refuse_control_characters(self) -> None:
        for at, character in enumerate(self._text):
            # Controls and half surrogates: no text in the database can hold them.
            if unicodedata.category(character) in {"Cc", "Cs"} and not character.isspace():
                raise NotUnderstood(at, "this character cannot be searched for: leave it out")

    def _skip_blanks(self) -> bool:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at < len(self._text)

    def _term(self) -> Term:
        negated = self._text[self._at] == "-" and not self._is_over(self._at + 1)
        self._at += negated
        named = FIELD_NAME.match(self._text, self._at)
        if named is None:
            return Term(WORD, (Name(self._word()),), negated)
        at, self._at = self._at, named.end() + 1
        field = self._language.find(named[0])
        if field is None:
            return Term(*self._business_key(at, named[0]), negated)
        if negated and field.kind is Kind.TIME:
            raise NotUnderstood(at, f"-{field.name}: say since: or until: without the minus")
        values = tuple(value_of(field, piece, self._now) for piece in self._pieces(field.name))
        if field.kind is Kind.TIME and len(values) > 1:
            raise NotUnderstood(at, f"{field.name}: takes one time, not {len(values)}")
        return Term(field, values, negated)

    def _business_key(self, at: int, name: str) -> tuple[Field, tuple[Value, ...]]:
        near = get_close_matches(name[:40].lower(), self._language.names, 1, _ALIKE)
        if not self._language.tags:
            meant = f"did you mean {near[0]}:?" if near else "there are " + ", ".join(self._language.names)
            raise NotUnderstood(at, f"{self._language.things} have no {shown(name)}:, {meant}")
        tag = self._language.find("tag")
        assert tag is not None
        keys = [value_of(tag, piece, self._now) for piece in self._pieces(name)]
        if near:
            self._hints.append(f"{shown(name)}: is no field, so this finds a tag; did you mean {near[0]}:?")
        return tag, tuple(Name(f"{name}:{key.text}") for key in keys if isinstance(key, Name))

    def _pieces(self, name: str) -> list[Piece]:
        """The values after a colon, with commas between."""
        pieces: list[Piece] = []
        while True:
            piece = self._piece()
            if not piece.text and not piece.open_end:
                raise NotUnderstood(
                    piece.at, f"{shown(name)}: needs a value here, as in {shown(name)}:something"
                )
            pieces.append(piece)
            self._values += 1
            if self._values > MAX_VALUES:
                raise NotUnderstood(piece.at, f"it has more than {MAX_VALUES} values: make it shorter")
            if not self._text.startswith(",", self._at):
                return pieces
            self._at += 1

    def _piece(self) -> Piece:
        at = self._at
        if self._text.startswith('"', at):
            text = self._quoted()
            star = self._text.startswith("*", self._at)
            self._at += star
            self._refuse_what_touches(",")
            return Piece(at, text, quoted=True, open_end=star)
        while not self._is_over(self._at) and self._text[self._at] != ",":
            self._at += 1
        return Piece(at, self._text[at : self._at])

    def _word(self) -> str:
        at = self._at
        if self._text[at] == '"':
            text = self._quoted()
            self._refuse_what_touches("")
            if not text:
                raise NotUnderstood(at, "there is nothing between these quotes")
            return text
        while not self._is_over(self._at):
            self._at += 1
        return self._text[at : self._at]

    def _quoted(self) -> str:
        start = self._at
        parts: list[str] = []
        self._at += 1
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return "".join(parts)
            if character == "\\" and self._text[self._at : self._at + 1] in ('"', "\\"):
                character = self._text[self._at]
                self._at += 1
            parts.append(character)
        raise NotUnderstood(start, "this quote is not closed: write one more at its end")

    def _refuse_what_touches(self, allowed: str) -> None:
        if not self._is_over(self._at) and self._text[self._at] not in allowed:
            raise NotUnderstood(self._at, "put a space after the closing quote")

    def _refuse_more_texts(self, term: Term, at: int) -> None:
        self._texts += len(term.values) if term.field.kind in {Kind.WORD, Kind.TEXT} else 0
        if self._texts > MAX_TEXTS:
            raise NotUnderstood(at, f"it looks for more than {MAX_TEXTS} words or texts: make it shorter")

    def _is_over(self, at: int) -> bool:
        return at >= len(self._text) or self._text[at].isspace()

    def _refuse_contradictions(self, term: Term, at: int) -> None:
        """Twice the same field, or a span that ends before it begins, would find nothing; nobody means that."""
        known = {one.field.name: one for one in self._terms if not one.negated}
        name = term.field.name
        if name in known and not term.negated and not term.field.repeatable:
            instead = (
                "keep one" if term.field.kind is Kind.TIME else f"write {name}:one,other for either of two"
            )
            raise NotUnderstood(at, f"{name}: is there twice: {instead}")
        since, until = (one and one.values[0] for one in (known.get("since"), known.get("until")))
        match name, since, until, term.values[0]:
            case "until", Moment(at=begin), _, Moment(at=end):
                pass
            case "since", _, Moment(at=end), Moment(at=begin):
                pass
            case _:
                return
        if begin >= end:
            raise NotUnderstood(at, "until: is not after since:, so there is nothing between them")
