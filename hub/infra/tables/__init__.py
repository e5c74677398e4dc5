"""The schema: what is stored, which bad states are impossible, and which query each index serves."""

from hub.infra.tables import people, work
from hub.infra.tables.base import metadata

__all__ = ["metadata", "people", "work"]
