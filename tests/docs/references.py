"""The parts of docs/reference that say what the code says: `python -m tests.docs.references` writes them anew.

Each stands between two comments, `<!-- generated: NAME -->` and `<!-- end -->`; what is around them is written by hand.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

from hub.cli.root import hub as command_line
from hub.config import describe
from hub.domain import errors, jobs
from hub.domain.effects import Certainty, Effect
from hub.infra.metrics import Metrics
from hub.infra.tables import metadata
from hub.registry import load
from hub.web.api.table import endpoints_of
from hub.web.problems import KINDS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's


def table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(
        f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )


def configuration() -> str:
    """Every setting, in the order of reading."""
    registry = load()
    return table(
        ("Variable", "Default", "What it is"),
        [
            (f"`{one.name}`" + (" 🔒" if one.secret else ""), one.default, one.what)
            for one in describe(registry.sources, registry.providers)
        ],
    )


def api() -> str:
    """Every endpoint."""
    return table(
        ("Call", "What it does", "Scope", "Good answers", "Refusals"),
        [
            (
                f"`{one.method} {one.path}`",
                one.summary,
                f"`{one.scope}`" if one.scope else "none",
                ", ".join(str(outcome.status) for outcome in one.outcomes),
                ", ".join(str(status) for status in one.statuses),
            )
            for one in endpoints_of(load())
        ],
    )


def problems() -> str:
    """Every kind of problem document."""
    return table(
        ("Status", "Title", "What it means"), [(one.status, one.title, one.meaning) for one in KINDS]
    )


def raised() -> str:
    """The hierarchy of the hub's own errors, as their module draws it."""
    return "```text\n" + (errors.__doc__ or "").partition("\n\n")[2].strip() + "\n```\n"


def states() -> str:
    """The states, as their module tells them."""
    text = (jobs.__doc__ or "").partition("\n\n")[2].strip()
    return "```text\n" + text + "\n```\n"


def words() -> str:
    """The words that stand in a job's answers."""
    kinds = (
        ("reason", jobs.Reason),
        ("outcome of an attempt", jobs.OutcomeKind),
        ("certainty", Certainty),
        ("effect", Effect),
    )
    return table(("Field", "Values"), [(name, ", ".join(f"`{one}`" for one in kind)) for name, kind in kinds])  # fmt: skip


def metrics() -> str:
    """Every metric, and which processes count it so far."""
    made = Metrics.make(version="", process=False)
    verbs = {id(getattr(made, field).metric): verb for field, verb in _VERBS.items()}
    by_name: dict[str, tuple[str, str, str, str]] = {}
    for field in _VERBS:
        metric = getattr(made, field).metric
        [family] = metric.describe()
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        by_name[name] = (family.documentation, family.type, labels, counted_in(verbs[id(metric)]))
    rows = [(f"`{name}`", kind, labels, what, where) for name, (what, kind, labels, where) in by_name.items()]
    note = _UNFED if any(row[-1] == NOWHERE for row in rows) else ""
    return table(("Metric", "Kind", "Labels", "What it says", "Counted in"), rows) + note


NOWHERE = "nowhere yet"
_UNFED = """
*Nowhere yet* means that the metric is defined and nothing feeds it: build no alert on it. Queue depth and the age of the oldest due job can
be had from `GET /v1/queues` or `hub queues list --json`, breakers from `GET /v1/providers`.
"""

# The verb of `Metrics` that feeds each family.
_VERBS = {
    "http_requests": "request",
    "http_seconds": "request",
    "events": "event",
    "submitted": "submit",
    "attempts": "attempt",
    "attempt_seconds": "attempt",
    "calls": "call",
    "call_seconds": "call",
    "breaker": "breaker_is",
    "depth": "queue_is",
    "oldest_due": "queue_is",
    "running": "running_is",
    "batch_size": "batch",
    "handover_failures": "handover_failed",
}


def counted_in(verb: str) -> str:
    """The files that call a verb of the metrics."""
    called = re.compile(rf"metrics\.{verb}\b")
    files = (path for path in sorted((ROOT / "hub").rglob("*.py")) if called.search(path.read_text()))
    found = ", ".join(f"`{path.relative_to(ROOT)}`" for path in files)
    return found or NOWHERE


def schema() -> str:
    """Every table with its columns, constraints and indexes."""
    return "\n".join(_table(one) for one in sorted(metadata.tables.values(), key=lambda one: one.name))


def _table(one: Table) -> str:
    columns = table(
        ("Column", "Type", "Null", "Default"),
        [
            (
                f"`{column.name}`" + (" 🔑" if column.primary_key else ""),
                column.type.compile(_DIALECT).lower(),
                "yes" if column.nullable else "",
                _default(column),
            )
            for column in one.columns
        ],
    )
    rules = [*sorted(_rules(one)), *sorted(_indexes(one))]
    return f"### {one.name}\n\n{columns}" + ("\n" + "".join(f"- {rule}\n" for rule in rules) if rules else "")


def _default(column: Any) -> str:
    default = column.server_default
    return f"`{default.arg}`" if default is not None else ""


def _rules(one: Table) -> Iterator[str]:
    for rule in one.constraints:
        if isinstance(rule, CheckConstraint):
            yield f"check: `{rule.sqltext}`"
        elif isinstance(rule, UniqueConstraint):
            yield f"unique: {_names(rule.columns)}"
        elif isinstance(rule, ForeignKeyConstraint):
            yield f"{_names(rule.columns)} refers to `{rule.referred_table.name}`"


def _indexes(one: Table) -> Iterator[str]:
    for index in one.indexes:
        where = index.dialect_options["postgresql"]["where"]
        keys = ", ".join(f"`{str(key).rpartition('.')[2]}`" for key in index.expressions)
        yield f"index `{index.name}`: {keys}" + (f", where `{where}`" if where is not None else "")


def _names(columns: Iterable[Any]) -> str:
    return ", ".join(f"`{column.name}`" for column in columns)


def commands() -> str:
    """Every command with its options."""
    with click.Context(command_line, info_name="hub") as context:
        return "\n".join(_command(command_line, context)).strip() + "\n"


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            with click.Context(child, info_name=name, parent=context) as inner:
                yield from _command(child, inner)
        return
    usage = " ".join(command.collect_usage_pieces(context)).replace("[OPTIONS]", "").strip()
    yield f"### `{f'{context.command_path} {usage}'.strip()}`\n"
    yield " ".join((command.help or "").split("\n\n")[0].split()) + "\n"
    options = [(option, option.get_help_record(context)) for option in command.get_params(context)]
    rows = [
        (f"`{record[0]}`", " ".join(record[1].split()))
        for option, record in options
        if record is not None and option.name != "debug" and "--help" not in record[0]
    ]
    if rows:
        yield table(("Option", "What it does"), rows)


PARTS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (configuration, api, problems, raised, states, words, metrics, schema, commands)
}


def renewed(text: str) -> str:
    """A page with its generated parts as they should be."""
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n{part[3]}", text)


def main() -> None:
    """Write every page anew."""
    for page in sorted(REFERENCE.glob("*.md")):
        page.write_text(renewed(page.read_text()))


if __name__ == "__main__":
    main()
