"""Requests to any third party."""

from datetime import timedelta
from typing import Literal

from pydantic import ConfigDict, JsonValue, model_validator

from hub import Args, Backoff, JobContext, job
from integrations import http


class Request(Args):
    """A request to an address of your choice.

    Attributes:
        body: text is sent as it is; any other JSON value as JSON.
        repeatable: the receiver does the thing once however often it is told (it tells repeats apart by their
            Idempotency-Key, or a PUT writes the same again). Only then is a request that got no answer sent again
            without a person looking at it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "method": "POST",
                    "url": "https://api.example.com/v1/orders",
                    "headers": {"X-Shop": "berlin"},
                    "body": {"order": 1042, "state": "paid"},
                    "repeatable": True,
                },
                {"method": "GET", "url": "https://api.example.com/v1/orders/1042"},
            ]
        }
    )

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    url: http.Url
    headers: http.Headers = http.NO_HEADERS
    body: JsonValue = None
    repeatable: bool = False

    @model_validator(mode="after")
    def _no_body_to_read(self) -> "Request":
        if self.method in {"GET", "HEAD"} and self.body is not None:
            raise ValueError("GET and HEAD carry no body")
        return self


@job(
    retry=Backoff(attempts=12, base=timedelta(seconds=2), cap=timedelta(hours=1)),
    queue="http",
    timeout=timedelta(minutes=1),
)
async def request(ctx: JobContext, args: Request) -> http.HttpAnswer:
    """Call any HTTP address, signed if a signing secret is configured, and keep the answer."""
    fields = args.model_dump(mode="json", exclude={"repeatable"})
    if args.method in {"GET", "HEAD"}:
        return await ctx.call(http.fetch, method=args.method, url=fields["url"], headers=args.headers)
    return await ctx.call(http.send_repeatable if args.repeatable else http.send, **fields)
