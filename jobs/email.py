"""Mails to people."""

from datetime import timedelta

from hub import Backoff, JobContext, job
from integrations import email


@job(
    # Greylisting wants to see the sender again after minutes: https://datatracker.ietf.org/doc/html/rfc6647
    retry=Backoff(attempts=10, base=timedelta(seconds=30), cap=timedelta(hours=2)),
    queue="email",
    timeout=timedelta(minutes=2),
)
async def send(ctx: JobContext, args: email.Send) -> email.Sent:
    """Send one mail to one recipient, through the mail server that this hub is configured with."""
    return await ctx.call(email.send, **args.model_dump(exclude_none=True))
