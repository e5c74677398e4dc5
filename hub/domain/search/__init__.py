"""The language of the search box: `state:failed provider:stripe error:"timeout" order:1234 since:2h`.

Terms stand side by side and must all hold; a comma between values means any of them; a minus before a term means that it must
not hold. A word that is no field is a business key: `order:1234` finds the jobs with the tag `order:1234`. A word without a
colon is looked for wherever people look: names, errors, tags, ids.
"""

from hub.domain.search.completion import Suggestion, Vocabulary, complete
from hub.domain.search.fields import EVENTS, JOBS, Field, Kind, Language
from hub.domain.search.parsing import MAX_LENGTH, MAX_TERMS, MAX_TEXTS, MAX_VALUES, parse
from hub.domain.search.query import Comparison, Moment, Name, Query, Term, Value
from hub.domain.search.values import NotUnderstood, is_id

__all__ = [
    "EVENTS",
    "JOBS",
    "MAX_LENGTH",
    "MAX_TERMS",
    "MAX_TEXTS",
    "MAX_VALUES",
    "Comparison",
    "Field",
    "Kind",
    "Language",
    "Moment",
    "Name",
    "NotUnderstood",
    "Query",
    "Suggestion",
    "Term",
    "Value",
    "Vocabulary",
    "complete",
    "is_id",
    "parse",
]
