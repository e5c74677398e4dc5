"""Any provider that follows Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
from datetime import timedelta

from hub import Sample, Source, field, header, standard_webhooks

# "Verifying signatures" asks for "some allowable tolerance"; the reference libraries allow five minutes, either way.
# The asymmetric signature, v1a, is passed over: a delivery that carries nothing else is refused.
scheme = standard_webhooks(tolerance=timedelta(minutes=5))


def sign(sample: Sample, secret: str) -> dict[str, str]:
    """Sign `id.timestamp.body`, as under "Signature scheme", the symmetric way."""
    event_id, at = f"msg_{sample.id}", str(int(sample.at.timestamp()))
    signed = b"%s.%s.%s" % (event_id.encode(), at.encode(), sample.body)
    signature = base64.b64encode(scheme.sign(signed, secret)).decode()
    return {"webhook-id": event_id, "webhook-timestamp": at, "webhook-signature": f"v1,{signature}"}


source = Source(
    "standard",
    scheme=scheme,
    # "Webhook metadata": the id "remains the same no matter how many times a webhook that has failed is retried".
    event_id=header("webhook-id"),
    # "Payload structure": `type` is a full-stop delimited name, `timestamp` is when the event occurred, which is
    # not the time of the delivery in the header.
    event_type=field("type"),
    occurred_at=field("timestamp"),
    # "Request timeouts": "somewhere between 15 and 30s".
    answer_within=timedelta(seconds=15),
    sign=sign,
    samples={
        "contact.created": b"""\
{
  "type": "contact.created",
  "timestamp": "{{iso}}",
  "data": {
    "id": "1f81eb52-5198-4599-803e-771906343485",
    "type": "contact",
    "fullName": "Amina Haddad",
    "emailAddress": "amina.haddad@example.com",
    "occupation": "Engineer"
  }
}""",
        "invoice.paid": b"""\
{
  "type": "invoice.paid",
  "timestamp": "{{iso}}",
  "data": {
    "id": "7c2f0f6e-8a55-4b6f-9d0c-2b1d6f1f3f10",
    "number": "2026-0042",
    "amount": 4200,
    "currency": "eur"
  }
}""",
    },
)
