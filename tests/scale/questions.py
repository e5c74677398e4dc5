"""What is asked: every list, group and timeline the hub can show, found in the tables of its endpoints and pages.

An endpoint that nobody here knows how to ask fails the run, so that none is left out unawares.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin
from urllib.parse import quote, urlencode

from hub.registry import Registry
from hub.services.cursors import format_cursor
from hub.web.api.table import endpoints_of
from hub.web.console.table import pages
from tests.scale.samples import Samples

# Not lists to look at, with the reason.
LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "/v1/plans/{id}/report.csv": "all of a plan's jobs, sent as they are read",
        "/v1/plans/{id}/report.ndjson": "all of a plan's jobs, sent as they are read",
        "/console/plans/{id}/report.csv": "all of a plan's jobs, sent as they are read",
        "/console/plans/{id}/report.ndjson": "all of a plan's jobs, sent as they are read",
    }
)
# Not answered without saying whose.
_BY_KEY = frozenset({"/v1/timeline"})
# Fields of queries that change what one sees of a list, or hold the answer back, and choose nothing.
_IDLE = frozenset({"limit", "cursor", "wait", "sort", "order"})
# What the console's pages take, which they do not declare.
PAGE_QUERIES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "/console/events": ("", "q=source%3Astripe+since%3A7d", "q=external%3Aevt_5", "q=pi_nothing"),
        "/console/inbox": (
            "", "sort=failed_for_good", "view=acknowledged", "view=resolved", "view=ignored", "view=cured",
            "provider=stripe", "job=email.send", "text=declined", "text=nothing+like+it",
        ),
        "/console/overview": ("", "since=7d", "since=30d"),
        "/console/queues/{name}": ("", "since=30d"),
        "/console/providers/{provider}": ("", "since=30d"),
        "/console/alerts": ("", "view=past"),
        "/console/audit": ("", "actor=ada", "action=job.retry", "subject=nothing"),
        "/console/timeline": ("", "tag=customer%3A77", "correlation_id=order-77", "subject=pi_5"),
        "/console/plans": ("", "view=drafts", "view=under-way", "view=over"),
        "/console/plans/{id}": ("", "state=pending", "state=excluded", "state=succeeded"),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """The same thing asked about different jobs.

    Attributes:
        name: what is asked.
        urls: the ways in which it is asked, in turn.
        follow: go on from page to page with the cursor that each answer gives.
    """

    name: str
    urls: Sequence[str]
    follow: bool = False


def questions(registry: Registry, samples: Samples) -> list[Question]:
    """Everything there is to ask."""
    return [*_of_endpoints(registry, samples), *_of_pages(samples)]


def _of_endpoints(registry: Registry, samples: Samples) -> Iterator[Question]:
    for endpoint in endpoints_of(registry):
        if endpoint.method != "GET" or endpoint.scope is None or endpoint.path in LEFT_OUT:
            continue
        paths = _filled(endpoint.path, samples)
        fields = endpoint.query.model_fields
        if endpoint.path not in _BY_KEY:
            yield Question(endpoint.path, paths)
        for field in fields:
            if field not in _IDLE:
                values = _choices(fields[field].annotation) or samples.values(endpoint.path, field)
                urls = [f"{path}?{urlencode({field: value})}" for path, value in product(paths, values)]
                yield Question(f"{endpoint.path}?{field}", urls)
        if "sort" in fields:
            yield Question(f"{endpoint.path}?sort", [f"{path}?sort=failed_for_good" for path in paths])
        if {"limit", "cursor"} <= fields.keys() and endpoint.path not in _BY_KEY:
            yield Question(
                f"{endpoint.path} page after page", [f"{path}?limit=50" for path in paths], follow=True
            )
            yield from _deep(endpoint.path, samples)


def _choices(kind: Any) -> list[str]:
    """Every value of a field that can only be one of a few; none of any other field."""
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return [one.value for one in kind]
    if kind is bool:
        return ["true", "false"]
    if get_origin(kind) is Literal:
        return [str(one) for one in get_args(kind)]
    return [value for inner in get_args(kind) for value in _choices(inner)]


def _deep(path: str, samples: Samples) -> Iterator[Question]:
    """Pages far down lists that are in the order of ids."""
    kinds = {"/v1/jobs": ("jobs", samples.jobs), "/v1/events": ("events", samples.events)}
    if path in kinds:
        kind, ids = kinds[path]
        cursors = [format_cursor(kind, one) for one in ids]
        yield Question(f"{path} far down", [f"{path}?cursor={cursor}" for cursor in cursors])
        if path == "/v1/jobs":
            yield Question(
                f"{path}?state far down", [f"{path}?state=failed&cursor={cursor}" for cursor in cursors]
            )
            yield Question(
                f"{path}?error_signature&state far down",
                [
                    f"{path}?state=failed&error_signature={signature}&cursor={cursor}"
                    for signature, cursor in product(samples.signatures[:5], cursors)
                ],
            )


def _of_pages(samples: Samples) -> Iterator[Question]:
    for page in pages():
        if page.method != "GET" or page.open or page.streams or page.path in LEFT_OUT:
            continue
        paths = _filled(page.path, samples)
        searches = (
            [urlencode({"q": search}) for search in samples.searches()]
            if page.path == "/console/jobs"
            else []
        )
        for query in (*PAGE_QUERIES.get(page.path, ("",)), *searches):
            name = f"{page.path}?{query}" if query else page.path
            yield Question(name, [f"{path}?{query}" if query else path for path in paths])


def _filled(path: str, samples: Samples) -> list[str]:
    """The address with its places filled, once for each sample."""
    if "{" not in path:
        return [path]
    before, _, rest = path.partition("{")
    name, _, after = rest.partition("}")
    filled = [f"{before}{quote(value, safe='')}{after}" for value in samples.places(path, name)]
    return [whole for one in filled for whole in _filled(one, samples)]
