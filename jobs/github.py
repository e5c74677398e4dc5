"""What happens at GitHub, told to people."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AliasPath, ConfigDict, Field

from hub import Backoff, EventModel, JobContext, Rejected, Result, job
from integrations import email

Word = Annotated[str, Field(max_length=300)]


class IssueOpened(EventModel):
    """What is told of https://docs.github.com/en/webhooks/webhook-events-and-payloads#issues."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "opened",
                    "issue": {
                        "number": 1,
                        "title": "Spelling error in the README file",
                        "html_url": "https://github.com/Codertocat/Hello-World/issues/1",
                        "user": {"login": "Codertocat"},
                    },
                    "repository": {"full_name": "Codertocat/Hello-World"},
                }
            ]
        }
    )

    repository: Word = Field(validation_alias=AliasPath("repository", "full_name"))
    number: int = Field(validation_alias=AliasPath("issue", "number"))
    title: Annotated[str, Field(max_length=2000)] = Field(validation_alias=AliasPath("issue", "title"))
    url: Annotated[str, Field(max_length=2000)] = Field(validation_alias=AliasPath("issue", "html_url"))
    author: Word | None = Field(default=None, validation_alias=AliasPath("issue", "user", "login"))


class Announcement(Result):
    """What became of it."""

    status: Literal["sent", "skipped"]
    message_id: str | None = None
    reason: str | None = None


@job(
    retry=Backoff(attempts=6, base=timedelta(minutes=1), cap=timedelta(hours=1)),
    queue="email",
    priority=3,
    timeout=timedelta(minutes=2),
    on="github:issues.opened",
)
async def announce_issue(ctx: JobContext, event: IssueOpened) -> Announcement:
    """Mail a new GitHub issue to whoever watches this hub (HUB_EMAIL_NOTIFY_TO)."""
    title = " ".join("".join(c if c.isprintable() else " " for c in event.title).split())
    text = f"{event.author or 'Somebody'} opened an issue in {event.repository}:\n\n{title}\n{event.url}\n"
    try:
        sent = await ctx.call(
            email.notify, subject=f"[{event.repository}] {title[:150]} (#{event.number})", text=text
        )
    except Rejected as error:
        # No mail is configured, or nobody is named: nothing that a retry of this job could mend.
        if error.code != "not_configured":
            raise
        return Announcement(status="skipped", reason=str(error))
    return Announcement(status="sent", message_id=sent.id)
