"""The schema: what is stored, which bad states are impossible, and which query each index serves."""

from hub.infra.tables import inbox, people, plans, work
from hub.infra.tables.base import metadata

__all__ = ["inbox", "metadata", "people", "plans", "work"]
