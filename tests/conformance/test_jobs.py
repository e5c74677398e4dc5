"""The questions that every job must answer, found by discovery: a new one needs no edit here."""

import inspect
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel

from hub import Args, EventModel
from hub.domain.specs import JobSpec
from hub.registry import load

REGISTRY = load()
every_job = pytest.mark.parametrize("spec", REGISTRY.jobs.values(), ids=REGISTRY.jobs)


def examples(spec: JobSpec) -> list[dict[str, Any]]:
    """The arguments' own examples."""
    found: list[dict[str, Any]] = spec.args.model_json_schema().get("examples", [])
    return found


@every_job
def test_it_is_typed_at_both_ends(spec: JobSpec) -> None:
    """Arguments are a model that lets nothing unknown through (or reads an event); the result is a model, or nothing."""
    assert issubclass(spec.args, Args | EventModel)
    result = get_type_hints(spec.function).get("return", ...)
    assert result is type(None) or (inspect.isclass(result) and issubclass(result, BaseModel))


@every_job
def test_it_is_explained(spec: JobSpec) -> None:
    """One whole sentence for the documents, and a sentence on what its arguments are."""
    assert 20 <= len(spec.summary) <= 120
    assert spec.summary[0].isupper()
    assert spec.summary.endswith(".")
    assert spec.args.__doc__
    assert sys.modules[spec.function.__module__].__doc__


@every_job
def test_its_examples_are_valid(spec: JobSpec) -> None:
    """People copy them: as JSON, through validation, and back."""
    assert examples(spec), "an example is what people read first"
    for example in examples(spec):
        args = spec.args.model_validate_json(json.dumps(example))
        assert spec.args.model_validate(args.model_dump(mode="json")) == args


@every_job
def test_its_policy_is_its_own(spec: JobSpec) -> None:
    """Queue, retries and timeout were thought about, not inherited."""
    assert spec.queue != "default"
    assert "retry=" in inspect.getsource(spec.function)
    assert "timeout=" in inspect.getsource(spec.function)
    assert 3 <= spec.retry.attempts <= 30
    assert timedelta(seconds=10) <= spec.timeout <= timedelta(hours=1)


@every_job
def test_unknown_arguments_are_refused_unless_it_reads_an_event(spec: JobSpec) -> None:
    """A misspelt argument is found at the door; a provider may add fields to its events."""
    extended = {**examples(spec)[0], "nobody_knows_this": 1}
    if issubclass(spec.args, EventModel):
        spec.args.model_validate(extended)
        return
    with pytest.raises(ValueError, match=r"[Ee]xtra"):
        spec.args.model_validate(extended)


@every_job
def test_what_starts_it_has_a_sample_that_it_can_read(spec: JobSpec) -> None:
    """Every source that can start it can also send a sample of that event, and the job understands it."""
    for event in spec.on:
        source, _, event_type = event.partition(":")
        # Raises NotFound when there is none.
        sample = REGISTRY.sources[source].sample(event_type, id="1", at=datetime(2026, 11, 20, tzinfo=UTC))
        spec.args.model_validate_json(sample.body)
