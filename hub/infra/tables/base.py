"""What all tables share: names of constraints, and how times and enumerations are stored."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, Column, DateTime, MetaData, func

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def time(name: str, *, default: bool = False, nullable: bool = True) -> Column[object]:
    """A point in time, UTC; `default`: when the row was written."""
    return Column(
        name,
        DateTime(timezone=True),
        nullable=nullable and not default,
        server_default=func.now() if default else None,
    )


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """A column of text that holds one of these."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
