"""What a page says about what has just been done. A link can only name one of these, so that none can put words in our mouth."""

from collections.abc import Mapping

NOTICES: Mapping[str, str] = {
    "paused": "Paused. Nothing more is started from this queue; what runs is finished.",
    "resumed": "Resumed. What was held for the pause goes on.",
    "retried": "Queued again. It runs as soon as a worker is free.",
    "cancelled": "Cancelled.",
}
