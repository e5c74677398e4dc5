"""What of a value does not fit its type, in one line and without the value."""

from pydantic import ValidationError


def first_misfit(error: ValidationError) -> str:
    """Where the first thing wrong is, and what it is."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = "/".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}"
