"""The schema: what is stored, which bad states are impossible, and which query each index serves."""

from hub.infra.tables import (
    alerts,
    audit,
    edits,
    inbox,
    operations,
    past,
    people,
    plans,
    statistics,
    views,
    work,
)
from hub.infra.tables.base import metadata

__all__ = [
    "alerts",
    "audit",
    "edits",
    "inbox",
    "metadata",
    "operations",
    "past",
    "people",
    "plans",
    "statistics",
    "views",
    "work",
]
