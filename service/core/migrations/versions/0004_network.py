"""The network: devices, credentials, what polls remember, faults, links, scans, maintenance and commands."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "network_trap_counts",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("address", "reason", name=op.f("pk_network_trap_counts")),
    )
    op.create_table(
        "snmp_credentials",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("auth", sa.SmallInteger(), nullable=True),
        sa.Column("priv", sa.SmallInteger(), nullable=True),
        sa.Column("context", sa.Text(), nullable=True),
        sa.Column("writes", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snmp_credentials")),
        sa.UniqueConstraint("name", name=op.f("uq_snmp_credentials_name")),
    )
    op.create_table(
        "network_scans",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("targets", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.Text(), nullable=True),
        sa.Column("adopts", sa.Boolean(), nullable=False),
        sa.Column("asked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("answered", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("adopted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "found", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("asked_by_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["places.id"], name=op.f("fk_network_scans_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network_scans")),
    )
    op.create_table(
        "network_devices",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("firmware", sa.Text(), nullable=True),
        sa.Column("asset_id", sa.BigInteger(), nullable=True),
        sa.Column("place_id", sa.Text(), nullable=True),
        sa.Column("school_id", sa.Text(), nullable=True),
        sa.Column("credential_id", sa.BigInteger(), nullable=True),
        sa.Column("write_credential_id", sa.BigInteger(), nullable=True),
        sa.Column("reach_by", sa.SmallInteger(), nullable=False),
        sa.Column("reach_port", sa.Integer(), nullable=True),
        sa.Column("watched", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("is_root", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "important_ports", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("inventory", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("rows", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("discovered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_network_devices_asset_id")),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["snmp_credentials.id"], name=op.f("fk_network_devices_credential_id")
        ),
        sa.ForeignKeyConstraint(["place_id"], ["places.id"], name=op.f("fk_network_devices_place_id")),
        sa.ForeignKeyConstraint(["school_id"], ["places.id"], name=op.f("fk_network_devices_school_id")),
        sa.ForeignKeyConstraint(
            ["write_credential_id"],
            ["snmp_credentials.id"],
            name=op.f("fk_network_devices_write_credential_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network_devices")),
        sa.UniqueConstraint("address", "port", name=op.f("uq_network_devices_address_port")),
        sa.UniqueConstraint("asset_id", name=op.f("uq_network_devices_asset_id")),
    )
    op.create_index(
        op.f("ix_network_devices_school_id_id"), "network_devices", ["school_id", "id"], unique=False
    )
    op.create_index(op.f("ix_network_devices_serial"), "network_devices", ["serial"], unique=False)
    op.create_table(
        "network_commands",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("port_key", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("action_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("asked_by_id", sa.BigInteger(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["device_id"],
            ["network_devices.id"],
            name=op.f("fk_network_commands_device_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network_commands")),
        sa.UniqueConstraint("key", name=op.f("uq_network_commands_key")),
    )
    op.create_index(
        op.f("ix_network_commands_device_id_id"), "network_commands", ["device_id", "id"], unique=False
    )
    op.create_table(
        "network_faults",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("school_id", sa.Text(), nullable=True),
        sa.Column("check", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("flaps", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["device_id"],
            ["network_devices.id"],
            name=op.f("fk_network_faults_device_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["network_devices.id"],
            name=op.f("fk_network_faults_parent_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network_faults")),
    )
    op.create_index(
        op.f("ix_network_faults_device_id_id"), "network_faults", ["device_id", "id"], unique=False
    )
    op.create_index(
        "ix_network_faults_parent",
        "network_faults",
        ["parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_network_faults_school_id_id"), "network_faults", ["school_id", "id"], unique=False
    )
    op.create_index(
        "ix_network_faults_ticket",
        "network_faults",
        ["ticket_id"],
        unique=False,
        postgresql_where=sa.text("ticket_id IS NOT NULL"),
    )
    op.create_index(
        "ix_network_faults_unresolved",
        "network_faults",
        ["state", "hold_until"],
        unique=False,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index(
        "uq_network_faults_open",
        "network_faults",
        ["device_id", "check", "instance"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "network_links",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("port_key", sa.Text(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("neighbour_id", sa.BigInteger(), nullable=True),
        sa.Column("neighbour_port", sa.Text(), nullable=True),
        sa.Column("described", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("is_uplink", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["network_devices.id"], name=op.f("fk_network_links_device_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["neighbour_id"],
            ["network_devices.id"],
            name=op.f("fk_network_links_neighbour_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("device_id", "port_key", "rank", name=op.f("pk_network_links")),
    )
    op.create_index(op.f("ix_network_links_neighbour_id"), "network_links", ["neighbour_id"], unique=False)
    op.create_table(
        "network_macs",
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("port_key", sa.Text(), nullable=False),
        sa.Column("vlan", sa.Integer(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["network_devices.id"], name=op.f("fk_network_macs_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("mac", name=op.f("pk_network_macs")),
    )
    op.create_index(op.f("ix_network_macs_address"), "network_macs", ["address"], unique=False)
    op.create_index(
        op.f("ix_network_macs_device_id_port_key"), "network_macs", ["device_id", "port_key"], unique=False
    )
    op.create_table(
        "network_maintenances",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("school_id", sa.Text(), nullable=True),
        sa.Column("device_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["device_id"],
            ["network_devices.id"],
            name=op.f("fk_network_maintenances_device_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["school_id"], ["places.id"], name=op.f("fk_network_maintenances_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network_maintenances")),
    )
    op.create_index(
        op.f("ix_network_maintenances_ends_at"), "network_maintenances", ["ends_at"], unique=False
    )
    op.create_table(
        "network_parents",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("parent_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("parent_port", sa.Text(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"],
            ["network_devices.id"],
            name=op.f("fk_network_parents_device_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["network_devices.id"],
            name=op.f("fk_network_parents_parent_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("device_id", "parent_id", "parent_port", name=op.f("pk_network_parents")),
    )
    op.create_index(op.f("ix_network_parents_parent_id"), "network_parents", ["parent_id"], unique=False)
    op.create_table(
        "network_series",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"],
            ["network_devices.id"],
            name=op.f("fk_network_series_device_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("device_id", "position", name=op.f("pk_network_series")),
        sa.UniqueConstraint(
            "device_id", "metric", "instance", name=op.f("uq_network_series_device_id_metric_instance")
        ),
    )
    op.create_table(
        "network_watches",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("next_poll_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_discovery_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_slow", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reach", sa.SmallInteger(), nullable=False),
        sa.Column("reach_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("snmp", sa.SmallInteger(), nullable=False),
        sa.Column("snmp_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("engine_id", sa.LargeBinary(), nullable=True),
        sa.Column("max_repetitions", sa.SmallInteger(), server_default=sa.text("25"), nullable=False),
        sa.Column(
            "memory", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column(
            "counters",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "current",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("current_hash", sa.BigInteger(), nullable=True),
        sa.Column(
            "last_values",
            postgresql.ARRAY(postgresql.DOUBLE_PRECISION()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["device_id"],
            ["network_devices.id"],
            name=op.f("fk_network_watches_device_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_network_watches")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("ix_network_watches_due", "network_watches", ["is_slow", "next_poll_at"], unique=False)
