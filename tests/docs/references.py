"""The parts of docs/reference that say what the code says: `python -m tests.docs.references` writes them anew.

Each stands between two comments, `<!-- generated: NAME -->` and `<!-- end -->`; what is around them is written by hand.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

from hub.cli.root import hub as command_line
from hub.config import describe
from hub.domain import errors, jobs
from hub.domain.access import PERMISSIONS, Role, Scope
from hub.domain.effects import Certainty, Effect
from hub.domain.search import EVENTS, JOBS, Language
from hub.infra.metrics import Family, Metrics
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
    """Every metric; those that nothing feeds yet are named as such."""
    fed = fed_metrics()
    families = metric_families().values()
    shown = table(
        ("Metric", "Kind", "Labels", "What it says"),
        [(f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels), what) for name, kind, labels, what in families],
    )  # fmt: skip
    idle = ", ".join(f"`{name}`" for name, *_ in families if name not in fed)
    return shown + (
        f"\nDefined, and fed by nothing yet, so build no alert on them: {idle}.\n" if idle else ""
    )


def metric_families() -> dict[str, tuple[str, str, tuple[str, ...], str]]:
    """By the field of `Metrics`: name, kind, labels, what it says."""
    made = Metrics.make(version="", process=False)
    return {
        field.name: _family(value)
        for field in fields(made)
        if isinstance(value := getattr(made, field.name), Family)
    }


def _family(family: Family[Any]) -> tuple[str, str, tuple[str, ...], str]:
    [described] = family.metric.describe()
    suffix = "_total" if described.type == "counter" else ""
    return described.name + suffix, described.type, family.metric._labelnames, described.documentation


def fed_metrics() -> set[str]:
    """The names of the metrics whose verb is used somewhere in the hub."""
    source = (ROOT / "hub" / "infra" / "metrics.py").read_text()
    everything = "\n".join(path.read_text() for path in sorted((ROOT / "hub").rglob("*.py")))
    verbs = [
        (node.name, ast.unparse(node))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    ]
    return {
        family[0]
        for field, family in metric_families().items()
        for verb, body in verbs
        if f"self.{field}." in body and re.search(rf"metrics\.{verb}\b", everything)
    }


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


_ALLOWS = {
    Scope.JOBS_WRITE: "submit jobs",
    Scope.JOBS_READ: "look at jobs, queues, providers; of an application: its own jobs",
    Scope.JOBS_READ_ALL: "look at every application's jobs, and at the workers",
    Scope.JOBS_OPERATE: "retry, cancel, plan, pause queues",
    Scope.JOBS_DECIDE: "retry or end what has an uncertain effect",
    Scope.EVENTS_LIST: "look at received webhooks, with what is secret or long taken out of their bodies",
    Scope.EVENTS_READ: "look at their bodies",
    Scope.EVENTS_OPERATE: "replay them",
    Scope.PROVIDERS_OPERATE: "hold a breaker open or closed, probe a provider",
    Scope.AUDIT_READ: "look at the audit log",
    Scope.ADMIN: "everything, operators too",
}


def roles() -> str:
    """What each role may do, as the table of permissions says."""
    return table(
        ("Scope", "Allows to", *(role.value for role in Role)),
        [
            (f"`{scope}`", _ALLOWS[scope], *("yes" if scope in PERMISSIONS[role] else "" for role in Role))
            for scope in Scope
        ],
    )


def jobs_fields() -> str:
    """What jobs can be searched by."""
    return _fields(JOBS)


def events_fields() -> str:
    """What events can be searched by."""
    return _fields(EVENTS)


def _fields(language: Language) -> str:
    rows = [
        (
            ", ".join(f"`{name}:`" for name in (one.name, *one.aliases)),
            one.about,
            ", ".join(f"`{choice}`" for choice in one.choices) or one.kind.value,
            f"`{one.example}`",
        )
        for one in language.fields
    ]
    return table(
        ("Field", "Finds", "Takes", "Example"),
        [*rows, ("a word", language.words, "part of the text, in capitals or not", "`timeout`")],
    )


PARTS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (
        configuration,
        api,
        problems,
        raised,
        states,
        words,
        metrics,
        schema,
        commands,
        roles,
        jobs_fields,
        events_fields,
    )
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
