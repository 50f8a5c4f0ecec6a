"""Devices of the network, what was found on them, and what is wrong with them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from integrations.snmp.reading import DeviceKind
from integrations.snmp.target import AuthProtocol, PrivProtocol, Version
from service.core.database import Base, Coded

UNRESOLVED = text("resolved_at IS NULL")


class SnmpCredential(Base):
    """How agents let us in. `sealed` holds the community or the passwords, encrypted; nobody reads them back.

    Discovery tries credentials by `position`, lowest first.
    """

    __tablename__ = "snmp_credentials"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    version: Mapped[Version] = mapped_column(Coded(Version))
    position: Mapped[int]
    username: Mapped[str | None] = mapped_column(Text)
    auth: Mapped[AuthProtocol | None] = mapped_column(Coded(AuthProtocol))
    priv: Mapped[PrivProtocol | None] = mapped_column(Coded(PrivProtocol))
    context: Mapped[str | None] = mapped_column(Text)
    writes: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class ReachBy(StrEnum):
    """How a device is found to be there: an answer to SNMP always proves it; without one, by this."""

    ICMP = "icmp"
    TCP = "tcp"
    SNMP = "snmp"


class ReachState(StrEnum):
    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"
    ASLEEP = "asleep"


class SnmpState(StrEnum):
    UNKNOWN = "unknown"
    OK = "ok"
    SILENT = "silent"
    BAD_CREDENTIALS = "bad_credentials"
    MALFORMED = "malformed"


class NetworkDevice(Base):
    """A device that is watched over SNMP: where it is asked, what it is, and what it was found to have.

    `inventory` is the reading of the last discovery, `rows` the table rows that polls ask for.
    `write_credential_id` is set where commands (port cycles) are allowed at all.
    """

    __tablename__ = "network_devices"
    __table_args__ = (
        UniqueConstraint("address", "port"),
        UniqueConstraint("asset_id"),
        Index(None, "school_id", "id"),
        Index(None, "serial"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    name: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    port: Mapped[int]
    kind: Mapped[DeviceKind] = mapped_column(Coded(DeviceKind))
    profile: Mapped[str] = mapped_column(Text)
    vendor: Mapped[str | None] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(Text)
    serial: Mapped[str | None] = mapped_column(Text)
    firmware: Mapped[str | None] = mapped_column(Text)
    asset_id: Mapped[int | None] = mapped_column(ForeignKey("assets.id"))
    place_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    school_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    credential_id: Mapped[int | None] = mapped_column(ForeignKey("snmp_credentials.id"))
    write_credential_id: Mapped[int | None] = mapped_column(ForeignKey("snmp_credentials.id"))
    reach_by: Mapped[ReachBy] = mapped_column(Coded(ReachBy))
    reach_port: Mapped[int | None]
    watched: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    is_root: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    important_ports: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    inventory: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    rows: Mapped[dict[str, list[str]] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime]
    discovered_at: Mapped[datetime | None]


class NetworkWatch(Base):
    """What changes with every poll of a device: its schedule, its two states, and what diagnosis remembers.

    While `leased_until` has not come, one poll has the device; it says so by `lease`. `counters` are the last
    raw counters, `last_values` the last sample in the order of `network_series.position`, `current` the
    states that polls move (ports, supplies, sensors …; service/monitoring/current.py).
    """

    __tablename__ = "network_watches"
    __table_args__ = (
        Index("ix_network_watches_due", "is_slow", "next_poll_at"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    device_id: Mapped[int] = mapped_column(
        ForeignKey("network_devices.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    next_poll_at: Mapped[datetime | None]
    next_discovery_at: Mapped[datetime | None]
    is_slow: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    lease: Mapped[str | None] = mapped_column(Text)
    leased_until: Mapped[datetime | None]
    reach: Mapped[ReachState] = mapped_column(Coded(ReachState))
    reach_since: Mapped[datetime | None]
    snmp: Mapped[SnmpState] = mapped_column(Coded(SnmpState))
    snmp_since: Mapped[datetime | None]
    polled_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    engine_id: Mapped[bytes | None] = mapped_column(LargeBinary)
    max_repetitions: Mapped[int] = mapped_column(SmallInteger, default=25, server_default=text("25"))
    memory: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    counters: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    current: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    current_hash: Mapped[int | None] = mapped_column(BigInteger)
    last_values: Mapped[list[float | None]] = mapped_column(
        ARRAY(DOUBLE_PRECISION), server_default=text("'{}'")
    )


class FaultState(StrEnum):
    """`HELD` waits for what the parent says, `UNDER_PARENT` is told on the parent's ticket, `SILENCED`
    happens in maintenance, `SUSPENDED` while the poller doubts itself."""

    HELD = "held"
    OPEN = "open"
    UNDER_PARENT = "under_parent"
    SILENCED = "silenced"
    SUSPENDED = "suspended"
    RECOVERED = "recovered"


class NetworkFault(Base):
    """One thing wrong with one device: the check that found it, and of which instance ("" is the device)."""

    __tablename__ = "network_faults"
    __table_args__ = (
        Index(
            "uq_network_faults_open",
            "device_id",
            "check",
            "instance",
            unique=True,
            postgresql_where=UNRESOLVED,
        ),
        Index("ix_network_faults_unresolved", "state", "hold_until", postgresql_where=UNRESOLVED),
        Index(None, "device_id", "id"),
        Index(None, "school_id", "id"),
        Index("ix_network_faults_ticket", "ticket_id", postgresql_where=text("ticket_id IS NOT NULL")),
        Index("ix_network_faults_parent", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("network_devices.id", ondelete="CASCADE"))
    school_id: Mapped[str | None] = mapped_column(Text)
    check: Mapped[str] = mapped_column(Text)
    instance: Mapped[str] = mapped_column(Text)
    label: Mapped[str | None] = mapped_column(Text)
    state: Mapped[FaultState] = mapped_column(Coded(FaultState))
    value: Mapped[Any | None] = mapped_column(JSONB)
    evidence: Mapped[dict[str, Any]] = mapped_column(JSONB)
    since: Mapped[datetime]
    opened_at: Mapped[datetime]
    hold_until: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    flaps: Mapped[int] = mapped_column(SmallInteger, default=0, server_default=text("0"))
    ticket_id: Mapped[int | None] = mapped_column(BigInteger)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("network_devices.id", ondelete="SET NULL"))


class NetworkLink(Base):
    """What stands at the other end of a port, by LLDP, CDP or the bridge's table."""

    __tablename__ = "network_links"
    __table_args__ = (Index(None, "neighbour_id"),)

    device_id: Mapped[int] = mapped_column(
        ForeignKey("network_devices.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    port_key: Mapped[str] = mapped_column(Text, primary_key=True)
    rank: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    protocol: Mapped[str] = mapped_column(Text)
    neighbour_id: Mapped[int | None] = mapped_column(ForeignKey("network_devices.id", ondelete="CASCADE"))
    neighbour_port: Mapped[str | None] = mapped_column(Text)
    described: Mapped[dict[str, Any]] = mapped_column(JSONB)
    is_uplink: Mapped[bool]
    seen_at: Mapped[datetime]


class NetworkParent(Base):
    """A device that another one hangs on: with every parent down, the child cannot be reached either."""

    __tablename__ = "network_parents"
    __table_args__ = (Index(None, "parent_id"),)

    device_id: Mapped[int] = mapped_column(
        ForeignKey("network_devices.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    parent_id: Mapped[int] = mapped_column(
        ForeignKey("network_devices.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    parent_port: Mapped[str] = mapped_column(Text, primary_key=True)
    by_hand: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class NetworkMac(Base):
    """The port on which a MAC was last found, closest to it."""

    __tablename__ = "network_macs"
    __table_args__ = (Index(None, "device_id", "port_key"), Index(None, "address"))

    mac: Mapped[str] = mapped_column(Text, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("network_devices.id", ondelete="CASCADE"))
    port_key: Mapped[str] = mapped_column(Text)
    vlan: Mapped[int | None]
    address: Mapped[str | None] = mapped_column(Text)
    seen_at: Mapped[datetime]


class NetworkMaintenance(Base):
    """A time in which faults make no tickets: of the district, a school, or a device and what hangs on it."""

    __tablename__ = "network_maintenances"
    __table_args__ = (Index(None, "ends_at"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    school_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    device_id: Mapped[int | None] = mapped_column(ForeignKey("network_devices.id", ondelete="CASCADE"))
    reason: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    created_by_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]


class ScanState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class NetworkScan(Base):
    """A search for devices among addresses that an operator named. `found`: a line for each that answered."""

    __tablename__ = "network_scans"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    state: Mapped[ScanState] = mapped_column(Coded(ScanState))
    targets: Mapped[list[str]] = mapped_column(ARRAY(Text))
    port: Mapped[int]
    school_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    adopts: Mapped[bool]
    asked: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    answered: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    adopted: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    found: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    detail: Mapped[str | None] = mapped_column(Text)
    asked_by_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class CommandState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    UNVERIFIABLE = "unverifiable"


class NetworkCommand(Base):
    """Something that was done to a port, once a key: who asked, what was there before, and how it ended."""

    __tablename__ = "network_commands"
    __table_args__ = (UniqueConstraint("key"), Index(None, "device_id", "id"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    key: Mapped[str] = mapped_column(Text)
    device_id: Mapped[int] = mapped_column(ForeignKey("network_devices.id", ondelete="CASCADE"))
    port_key: Mapped[str] = mapped_column(Text)
    verb: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    action_id: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[CommandState] = mapped_column(Coded(CommandState))
    detail: Mapped[str | None] = mapped_column(Text)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    asked_by_id: Mapped[int | None] = mapped_column(BigInteger)
    asked_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class TrapCount(Base):
    """How many traps of a source were taken, and how many were not, and why."""

    __tablename__ = "network_trap_counts"

    address: Mapped[str] = mapped_column(Text, primary_key=True)
    reason: Mapped[str] = mapped_column(Text, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class NetworkSeries(Base):
    """Which number stands at which place (`position`, from 1) of a device's samples."""

    __tablename__ = "network_series"
    __table_args__ = (UniqueConstraint("device_id", "metric", "instance"),)

    device_id: Mapped[int] = mapped_column(
        ForeignKey("network_devices.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    metric: Mapped[str] = mapped_column(Text)
    instance: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
