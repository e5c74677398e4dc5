"""The base classes of everything typed that jobs and providers pass around. What does not fit is never quoted in an error."""

from pydantic import BaseModel, ConfigDict


class Args(BaseModel):
    """Arguments of a job or of a provider's operation: nothing unknown is let through."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_max_length=100_000, allow_inf_nan=False, hide_input_in_errors=True
    )


class Result(BaseModel):
    """What comes back: only what is declared is kept, so that nothing is stored that nobody uses."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class EventModel(BaseModel):
    """What a job reads from a provider's event; the rest of the event is left alone."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, populate_by_name=True, allow_inf_nan=False, hide_input_in_errors=True
    )
