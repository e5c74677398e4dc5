"""What a page says about what has just been done. A link can only name one of these, so that none can put words in our mouth."""

from collections.abc import Mapping

NOTICES: Mapping[str, str] = {
    "paused": "Paused. Nothing more is started from this queue; what runs is finished.",
    "resumed": "Resumed. What was held for the pause goes on.",
    "retried": "Queued again. It runs as soon as a worker is free.",
    "cancelled": "Cancelled, or closed; what it has recorded to undo is undone first.",
    "replayed": "Replayed: new jobs are made for it.",
    "edited": "Edited, and queued again with the new arguments.",
    "edit_proposed": "Proposed. It is applied when another operator approves it.",
    "edit_rejected": "Rejected. The arguments stay as they are.",
    "error_acknowledged": "Acknowledged: others see that somebody looks at it.",
    "error_resolved": "Resolved. It opens again by itself if it comes back.",
    "error_ignored": "Ignored, however often it happens.",
    "error_reopened": "Open again.",
    "errors_acknowledged": "Acknowledged: others see that somebody looks at them.",
    "errors_resolved": "Resolved. They open again by themselves if they come back.",
    "errors_ignored": "Ignored, however often they happen.",
    "errors_reopened": "Open again.",
    "logged-out": "You are logged out.",
    "welcome": "You are in. Set a password now: the link is used up.",
    "password-set": "The password is set. Your other sessions have ended.",
    "role-set": "The role is set. It holds from their next request on.",
    "operator-disabled": "Shut out. Their sessions have ended.",
    "operator-enabled": "They may log in again.",
    "operator-reset": "Password and sessions are gone. A one-time link lets them in again.",
    "session-ended": "That session has ended.",
}
