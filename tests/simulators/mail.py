"""What the mailbox keeps: the mails it accepted, and the faults that were ordered."""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal

Stage = Literal["mail", "rcpt", "data"]
Moment = Literal["before", "after"]
STAGES = ("mail", "rcpt", "data")


@dataclass(frozen=True, slots=True)
class Mail:
    """One accepted mail; `to` is the envelope's, `received_at` in Unix seconds."""

    id: int
    sender: str
    to: tuple[str, ...]
    subject: str
    message_id: str
    text: str
    html: str
    headers: dict[str, str]
    received_at: float

    def document(self) -> dict[str, Any]:
        """The mail as JSON shows it."""
        document = asdict(self)
        return {"from": document.pop("sender")} | document


@dataclass(slots=True)
class MailFault:
    """What goes wrong with an SMTP transaction; `times` None means until it is cleared.

    `code` refuses at `stage` (4xx passes, 5xx does not). `drop` breaks the connection when the mail has been sent and
    before it is acknowledged: `before` it was kept, or `after`, which the sender cannot tell apart. `stall` keeps the
    mail and never acknowledges it. `to` limits the fault to one recipient.
    """

    id: int
    code: int | None = None
    text: str = ""
    stage: Stage = "data"
    drop: Moment | None = None
    stall: bool = False
    to: str | None = None
    times: int | None = 1
    fired: int = 0

    def matches(self, stage: Stage, recipients: list[str]) -> bool:
        """Whether it fires here: refusals at their stage, the others when the mail has been sent."""
        if self.times is not None and self.fired >= self.times:
            return False
        if self.to is not None and self.to not in recipients:
            return False
        return stage == (self.stage if self.code else "data")

    def reply(self) -> str:
        """The refusal as SMTP writes it (RFC 5321 section 4.2)."""
        usual = "4.3.0 Temporary failure" if str(self.code).startswith("4") else "5.7.1 Refused"
        return f"{self.code} {self.text or usual}"


@dataclass(slots=True)
class Mails:
    """The mails, and what was counted."""

    kept: list[Mail] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[MailFault] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def keep(self, content: bytes, sender: str, recipients: list[str], at: float) -> Mail:
        """Read and store a mail; a Message-ID that was kept before counts as a duplicate, and is kept all the same."""
        mail = _read(next(self._ids), content, sender, recipients, at)
        self.kept.append(mail)
        self.counts["accepted"] += 1
        self._seen[mail.message_id] += 1
        if mail.message_id and self._seen[mail.message_id] > 1:
            self.counts["duplicates"] += 1
        return mail

    def order(self, document: Mapping[str, Any]) -> MailFault:
        """Read `{"times", "match": {"to"}, "fault": {...}}`; raises ValueError for anything else."""
        wanted = document.get("fault")
        if not isinstance(wanted, dict) or not ({"code", "drop", "stall"} & wanted.keys()):
            raise ValueError(
                'a fault is {"code", "stage", "text"}, {"drop": "before"|"after"} or {"stall": true}'
            )
        if wanted.get("stage", "data") not in STAGES or wanted.get("drop") not in (None, "before", "after"):
            raise ValueError(f"stage is one of {', '.join(STAGES)}; drop is before or after")
        match = document.get("match") or {}
        try:
            fault = MailFault(
                id=next(self._ids), to=match.get("to"), times=document.get("times", 1), **wanted
            )
        except TypeError as error:
            raise ValueError(f"unknown fault: {sorted(wanted)}") from error
        self.faults.append(fault)
        return fault

    def take(self, stage: Stage, recipients: list[str]) -> MailFault | None:
        """The fault for this moment, if any; it counts as fired."""
        for fault in self.faults:
            if fault.matches(stage, recipients):
                fault.fired += 1
                return fault
        return None

    def clear(self) -> None:
        """Throw the mails away; counts and faults stay."""
        self.kept.clear()
        self._seen.clear()

    def reset(self) -> None:
        """Start from nothing."""
        self.clear()
        self.counts.clear()
        self.faults.clear()


def _read(identifier: int, content: bytes, sender: str, recipients: list[str], at: float) -> Mail:
    message = message_from_bytes(content, policy=policy.default)
    return Mail(
        id=identifier,
        sender=sender,
        to=tuple(recipients),
        subject=str(message.get("Subject", "")),
        message_id=str(message.get("Message-ID", "")).strip(),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        headers={name: str(value) for name, value in message.items()},
        received_at=at,
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return "" if part is None else str(part.get_content())
