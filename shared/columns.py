"""The kinds of columns that the tables of all services are made of, by the names that the field gives them."""

from typing import Any

from sqlalchemy import Column, DateTime, Text
from sqlalchemy.dialects.postgresql import JSONB


def key() -> Any:
    """Return a text column that is, or is part of, the primary key."""
    return Column(Text, primary_key=True)


def text(*, nullable: bool = False) -> Any:
    """Return a column for text, whose length the messages bound."""
    return Column(Text, nullable=nullable)


def moment(*, nullable: bool = False) -> Any:
    """Return a column for a time with zone."""
    return Column(DateTime(timezone=True), nullable=nullable)


def jsonb(*, nullable: bool = False) -> Any:
    """Return a column for what is read and written whole."""
    return Column(JSONB, nullable=nullable)
