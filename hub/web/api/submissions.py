"""How the API's document shows what each job takes: one schema a job, told apart by its name."""

from typing import Annotated, Any

from pydantic import AliasPath, Field, TypeAdapter, ValidationError

from hub.domain.specs import JobSpec
from hub.registry import Registry
from hub.web.endpoints import Shape
from hub.web.schemas import JobSubmission


class Submission:
    """What POST /v1/jobs takes: a marker for the document, which knows the jobs; requests are read as `JobSubmission`."""


def submission_shape(registry: Registry) -> Shape:
    """The body of a submission, with an example of a job that there is."""
    examples = (example_of(spec) for spec in registry.jobs.values())
    example = next((found for found in examples if found), {"job": "payments.send_receipt", "args": {}})
    return Shape(Submission if registry.jobs else JobSubmission, example)


def example_of(spec: JobSpec) -> dict[str, Any] | None:
    """A submission of a job with arguments that it takes; None where they cannot be made up."""
    schema = spec.args.model_json_schema(by_alias=True)
    args = _example(schema, schema.get("$defs", {}), 0)
    try:
        spec.args.model_validate(args)
    except ValidationError:
        return None
    return {"job": spec.name, "args": args}


def schema_of_paths(kind: type[Any], ref_template: str) -> dict[str, Any] | None:
    """The schema of a model that takes its fields from deep inside (AliasPath), which pydantic tells as if they were flat.

    None for any other model: pydantic's own schema is right.
    """
    fields = getattr(kind, "model_fields", {})
    if not any(isinstance(field.validation_alias, AliasPath) for field in fields.values()):
        return None
    root: dict[str, Any] = {"type": "object", "title": kind.__name__}
    for name, field in fields.items():
        alias = field.validation_alias
        path = alias.path if isinstance(alias, AliasPath) else [alias if isinstance(alias, str) else name]
        typed: Any = Annotated[(field.annotation, *field.metadata, Field())]
        adapter: TypeAdapter[Any] = TypeAdapter(typed)
        _place(
            root,
            [str(part) for part in path],
            adapter.json_schema(ref_template=ref_template),
            field.is_required(),
        )
    return root


def _place(root: dict[str, Any], path: list[str], schema: dict[str, Any], required: bool) -> None:  # noqa: FBT001
    node = root
    for part in path[:-1]:
        _need(node, part, required=required)
        node = node.setdefault("properties", {}).setdefault(part, {"type": "object"})
    _need(node, path[-1], required=required)
    node.setdefault("properties", {})[path[-1]] = schema


def _need(node: dict[str, Any], name: str, *, required: bool) -> None:
    if required and name not in node.setdefault("required", []):
        node["required"].append(name)


_FORMATS = {
    "email": "ada@example.com",
    "uuid": "01980a3c-7d1e-7cc3-9a41-5f0c2b7e8d10",
    "date-time": "2027-01-31T09:00:00Z",
    "date": "2027-01-31",
    "uri": "https://example.com/orders/1042",
}


def _example(schema: Any, definitions: dict[str, Any], depth: int) -> Any:
    """A value that fits a schema, as its author shows it where the author does."""
    if "$ref" in schema:
        schema = {**definitions[schema["$ref"].rpartition("/")[2]], **schema}
    for key in ("const", "default"):
        if key in schema and schema[key] is not None:
            return schema[key]
    for key in ("examples", "enum", "anyOf", "oneOf", "allOf"):
        if schema.get(key):
            first = schema[key][0]
            return first if key in {"examples", "enum"} else _example(first, definitions, depth + 1)
    return _of_type(schema, definitions, depth)


def _of_type(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> Any:
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {}).items() if depth < 6 else ()
            wanted = set(schema.get("required", ()))
            return {name: _example(field, definitions, depth + 1) for name, field in fields if name in wanted}
        case "array":
            return [_example(schema.get("items", {}), definitions, depth + 1)] * schema.get("minItems", 1)
        case "string":
            return _FORMATS.get(schema.get("format", ""), "text".ljust(schema.get("minLength", 0), "x"))[
                : schema.get("maxLength", 100)
            ]
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 1000) + 1)
        case "boolean":
            return True
        case _:
            return None
