"""Alert rules and dashboards ask for metrics that exist: a rule over one that does not is silent for ever."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it carries no types

from hub.infra.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
# YAML is a superset of JSON, which dashboards are written in.
FILES = sorted(path for kind in ("yml", "yaml", "json") for path in DEPLOY.rglob(f"*.{kind}"))
_NAME = re.compile(r"(?<![\w:])hub_\w+")
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


def counted() -> set[str]:
    """Every name that a hub's metrics can be asked by."""
    return {
        family.name + suffix
        for family in Metrics.make(version="1", process=False).registry.collect()
        for suffix in _SUFFIXES.get(family.type, ("",))
    }


def expressions(value: Any) -> Iterator[str]:
    """The text of everything called `expr`, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "expr" and isinstance(inner, str):
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def asked(texts: Iterable[str]) -> set[str]:
    """The hub's metrics that are named in these."""
    return {
        name
        for text in texts
        for document in yaml.safe_load_all(text)
        for expr in expressions(document)
        for name in _NAME.findall(expr)
    }


def test_what_is_asked_for_is_found() -> None:
    """Wherever it stands in a rule; and what is counted, under the names that Prometheus gives it."""
    rule = """
    groups: [{rules: [{alert: hub_is_unwell, expr: 'sum(rate(hub_attempts_total{outcome="x"}[5m])) / hub_wrong > 1'}]}]
    """
    assert asked([rule]) == {"hub_attempts_total", "hub_wrong"}
    assert {"hub_attempts_total", "hub_attempt_seconds_bucket", "hub_queue_depth"} <= counted()
    assert "hub_attempts" not in counted()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_metric_that_is_asked_for_exists(path: Path) -> None:
    """In each file of deploy/."""
    assert asked([path.read_text()]) <= counted()
