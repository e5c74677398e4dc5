"""The mail that is built: complete, the same for every repeat, and closed to injection."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import Answer, Call, Mail
from integrations import email

CREDENTIALS = {"from": "shop@example.org", "notify_to": "ops@example.org"}


def call(key: str = "hub-key-1", correlation_id: str = "request-1", **credentials: str) -> Call:
    return Call("smtp://127.0.0.1", {**CREDENTIALS, **credentials}, key, correlation_id)


def built(args: email.Send, using: Call | None = None) -> Mail:
    request = email.send.request(args, using or call())
    assert isinstance(request, Mail)
    return request


def read(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.message, policy=policy.default)


def letter(**fields: Any) -> email.Send:
    return email.Send.model_validate(
        {"to": "jenny@example.com", "subject": "Your order", "text": "It is on its way.\n", **fields}
    )


@pytest.mark.parametrize("html", [None, "<p>It is on its way.</p>"])
def test_a_repeat_is_the_same_to_the_byte(html: str | None) -> None:
    """Boundaries included."""
    args = letter(html=html)
    assert built(args).message == built(args).message
    assert built(args).message_id == "<hub-key-1@example.org>"
    assert built(args, call("hub-key-2")).message_id != built(args).message_id


def test_it_can_pass_every_server() -> None:
    """ASCII, short lines, CR LF; whatever the text."""
    mail = built(
        letter(subject="Größe " * 49 + "L", text="Grüße " * 500 + "\n" + "x" * 5000, html="<p>ß</p>" * 500)
    )
    assert mail.message.isascii()
    assert max(map(len, mail.message.split(b"\r\n"))) <= 998
    assert b"\n" not in mail.message.replace(b"\r\n", b"")
    assert read(mail)["Subject"] == "Größe " * 49 + "L"


def test_a_long_domain_does_not_break_the_message_id() -> None:
    """It stays on one line, and unencoded."""
    domain = ".".join(["a" * 60] * 3) + ".example"
    mail = built(letter(), call(**{"from": f"shop@{domain}"}))
    assert f"Message-ID: <hub-key-1@{domain}>\r\n".encode() in mail.message


@pytest.mark.parametrize(
    "fields",
    [
        {"to": "jenny@example.com\r\nBcc: all@example.com"},
        {"to": "jenny@example.com, all@example.com"},
        {"to": "jenny"},
        {"to": '"a b"@example.com'},
        {"to": "jënny@example.com"},
        {"subject": "a\r\nBcc: all@example.com"},
        {"subject": "a\nb"},
        {"subject": "a\0b"},
        {"subject": ""},
        {"text": ""},
        {"cc": "all@example.com"},
    ],
)
def test_what_could_break_out_of_a_header_is_refused(fields: dict[str, str]) -> None:
    """One recipient, one line."""
    with pytest.raises(ValueError, match="validation error"):
        letter(**fields)


@given(key=st.text(max_size=300), correlation_id=st.text(max_size=300))
def test_no_key_and_no_correlation_id_can_add_a_header(key: str, correlation_id: str) -> None:
    """Whatever they hold."""
    mail = built(letter(), call(key, correlation_id))
    names = {name.lower() for name in read(mail).keys()}  # noqa: SIM118 - a message is no mapping
    assert names == {
        "from",
        "to",
        "subject",
        "message-id",
        "x-request-id",
        "auto-submitted",
        "content-type",
        "content-transfer-encoding",
        "mime-version",
    }
    assert mail.recipients == ("jenny@example.com",)


@given(
    subject=st.text(min_size=1, max_size=200).filter(lambda text: text.strip() and text.isprintable()),
    text=st.text(min_size=1, max_size=2000),
)
def test_any_subject_and_text_arrive(subject: str, text: str) -> None:
    """Of whatever script."""
    mail = read(built(letter(subject=subject, text=text)))
    assert " ".join(str(mail["Subject"]).split()) == " ".join(subject.split())
    assert mail.get_content_type() == "text/plain"


def test_international_domains_are_written_in_idna() -> None:
    """As every server understands them."""
    assert letter(to="jenny@bücher.example").to == "jenny@xn--bcher-kva.example"


def test_notify_goes_to_whoever_watches() -> None:
    """The recipient comes from the configuration, not from arguments."""
    mail = email.notify.request(email.Letter(subject="New issue", text="Look"), call())
    assert isinstance(mail, Mail)
    assert mail.recipients == ("ops@example.org",)


def test_the_reply_is_kept_in_one_line() -> None:
    """It holds the server's queue id, and could hold anything."""
    answer = Answer(250, {"message-id": "<a@b>"}, b"2.0.0 Ok:\r\n queued as \0 4XyZ\xff" + b"x" * 1000)
    reading = email.send.reading(answer)
    assert reading["id"] == "<a@b>"
    assert reading["reply"].startswith("2.0.0 Ok: queued as 4XyZ")
    assert len(reading["reply"]) == 200


def test_nothing_of_a_mail_stands_in_its_repr() -> None:
    """Reprs end up in logs."""
    assert repr(built(letter())) == "Mail(message_id='<hub-key-1@example.org>')"
