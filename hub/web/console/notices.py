"""What a page says about what has just been done. A link can only name one of these, so that none can put words in our mouth."""

from collections.abc import Mapping

NOTICES: Mapping[str, str] = {
    "paused": "Paused. Nothing more is started from this queue; what runs is finished.",
    "resumed": "Resumed. What was held for the pause goes on.",
    "retried": "Queued again. It runs as soon as a worker is free.",
    "cancelled": "Cancelled.",
    "error_acknowledged": "Acknowledged: others see that somebody looks at it.",
    "error_resolved": "Resolved. It opens again by itself if it comes back.",
    "error_ignored": "Ignored, however often it happens.",
    "error_reopened": "Open again.",
    "errors_acknowledged": "Acknowledged: others see that somebody looks at them.",
    "errors_resolved": "Resolved. They open again by themselves if they come back.",
    "errors_ignored": "Ignored, however often they happen.",
    "errors_reopened": "Open again.",
}
