"""A webhook source made up for tests."""

import json
from typing import Any

from hub import EventModel, Source, field, prefixed_hex

SECRET = "whsec_0123456789abcdef"
SETTINGS = {"HUB_WEBHOOK_DEPOT_SECRET": SECRET}

scheme = prefixed_hex("X-Signature", prefix="sha256=")
source = Source(
    "depot", scheme=scheme, event_id=field("id"), event_type=field("type"), subject=field("about")
)


class Arrived(EventModel):
    id: str
    weight: int = 0


def delivery(event_id: str, kind: str = "parcel.arrived", **more: Any) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a signed delivery."""
    body = json.dumps({"id": event_id, "type": kind, **more}).encode()
    return {
        "x-signature": "sha256=" + scheme.sign(body, SECRET).hex(),
        "cookie": "a=b",
        "x-api-key": "k",
    }, body
