"""What was measured, and how it is kept: every sample for weeks, hours for a year, days for years.

Every row holds all numbers of one device at once; which stands where is `network_series`. NULL is "not
measured". Samples lie in a partition for each day (UTC; service/monitoring/partitions.py). They know no
foreign key: a device may be gone before its samples are.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, Table
from sqlalchemy.dialects.postgresql import ARRAY, REAL

from service.core.database import Base

SAMPLES = Table(
    "network_samples",
    Base.metadata,
    Column("device_id", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("values", ARRAY(REAL), nullable=False),
    Index("ix_network_samples_device_id_at", "device_id", "at"),
    Index("ix_network_samples_at", "at", postgresql_using="brin"),  # an hour of all devices, for its roll-up
    postgresql_partition_by="RANGE (at)",
)


def _rolled(name: str) -> Table:
    """`at` is where the span begins, `n` how many samples it had; least, mean and most by position."""
    return Table(
        name,
        Base.metadata,
        Column("device_id", BigInteger, primary_key=True, autoincrement=False),
        Column("at", DateTime(timezone=True), primary_key=True),
        Column("n", Integer, nullable=False),
        Column("least", ARRAY(REAL), nullable=False),
        Column("mean", ARRAY(REAL), nullable=False),
        Column("most", ARRAY(REAL), nullable=False),
    )


HOURS = _rolled("network_hours")
DAYS = _rolled("network_days")
