"""Device managements: connections, records of devices, syncs, mappings, commands; devices on tickets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "mdm_connections",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vendor", sa.SmallInteger(), nullable=False),
        sa.Column("settings", postgresql.JSONB(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("sync_minutes", sa.Integer(), server_default=sa.text("60"), nullable=False),
        sa.Column("full_hours", sa.Integer(), server_default=sa.text("24"), nullable=False),
        sa.Column("guard_percent", sa.SmallInteger(), server_default=sa.text("20"), nullable=False),
        sa.Column("adds_assets", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("owns_holder", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("owns_tag", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("allows_commands", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("watermark", sa.DateTime(timezone=True), nullable=True),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_sync_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked", postgresql.JSONB(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("failure_detail", sa.Text(), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mdm_connections")),
        sa.UniqueConstraint("name", name=op.f("uq_mdm_connections_name")),
    )
    op.create_table(
        "mdm_mappings",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=True),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("place_id", sa.Text(), nullable=True),
        sa.Column("asset_kind", sa.SmallInteger(), nullable=True),
        sa.Column("model_name", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["mdm_connections.id"],
            name=op.f("fk_mdm_mappings_connection_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["place_id"], ["places.id"], name=op.f("fk_mdm_mappings_place_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mdm_mappings")),
        sa.UniqueConstraint(
            "kind",
            "connection_id",
            "word",
            name=op.f("uq_mdm_mappings_kind_connection_id_word"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f("ix_mdm_mappings_connection_id"), "mdm_mappings", ["connection_id"], unique=False)
    op.create_table(
        "mdm_bulks",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("verb", sa.SmallInteger(), nullable=False),
        sa.Column("arguments", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("wanted", postgresql.JSONB(), nullable=False),
        sa.Column("targets", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("asked_by_id", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_by_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reread_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.Column("during_testing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["asked_by_id"], ["persons.id"], name=op.f("fk_mdm_bulks_asked_by_id")),
        sa.ForeignKeyConstraint(
            ["confirmed_by_id"], ["persons.id"], name=op.f("fk_mdm_bulks_confirmed_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mdm_bulks")),
    )
    op.create_table(
        "mdm_runs",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("dry", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_by_id", sa.BigInteger(), nullable=True),
        sa.Column("decided_by_id", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("would_change_percent", sa.Double(), nullable=True),
        sa.Column("pages_staged", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["asked_by_id"], ["persons.id"], name=op.f("fk_mdm_runs_asked_by_id")),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["mdm_connections.id"],
            name=op.f("fk_mdm_runs_connection_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["decided_by_id"], ["persons.id"], name=op.f("fk_mdm_runs_decided_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mdm_runs")),
    )
    op.create_index(op.f("ix_mdm_runs_connection_id_id"), "mdm_runs", ["connection_id", "id"], unique=False)
    op.create_index(
        "uq_mdm_runs_going", "mdm_runs", ["connection_id"], unique=True, postgresql_where=sa.text("state < 5")
    )
    op.create_table(
        "asset_reports",
        sa.Column("asset_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("standing", postgresql.JSONB(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_asset_reports_asset_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("asset_id", "source", name=op.f("pk_asset_reports")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "mdm_records",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=True),
        sa.Column("matched", sa.SmallInteger(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("platform", sa.SmallInteger(), nullable=False),
        sa.Column("enrolment", sa.SmallInteger(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("mapped_place_id", sa.Text(), nullable=True),
        sa.Column("record", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("last_check_in", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_mdm_records_asset_id")),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["mdm_connections.id"],
            name=op.f("fk_mdm_records_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mdm_records")),
        sa.UniqueConstraint(
            "connection_id", "external_id", name=op.f("uq_mdm_records_connection_id_external_id")
        ),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(op.f("ix_mdm_records_asset_id"), "mdm_records", ["asset_id"], unique=False)
    op.create_index(op.f("ix_mdm_records_serial"), "mdm_records", ["serial"], unique=False)
    op.create_index(
        "ix_mdm_records_unmatched",
        "mdm_records",
        ["connection_id", "id"],
        unique=False,
        postgresql_where=sa.text("asset_id IS NULL"),
    )
    op.create_table(
        "mdm_run_lines",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("asset_id", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["mdm_runs.id"], name=op.f("fk_mdm_run_lines_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mdm_run_lines")),
    )
    op.create_index(op.f("ix_mdm_run_lines_run_id_id"), "mdm_run_lines", ["run_id", "id"], unique=False)
    op.create_table(
        "mdm_staged_pages",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("listed", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("devices", postgresql.JSONB(), nullable=False),
        sa.Column("digests", postgresql.ARRAY(sa.LargeBinary()), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["mdm_runs.id"], name=op.f("fk_mdm_staged_pages_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "page", name=op.f("pk_mdm_staged_pages")),
    )
    op.create_table(
        "mdm_commands",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("verb", sa.SmallInteger(), nullable=False),
        sa.Column("risk", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=True),
        sa.Column("record_id", sa.BigInteger(), nullable=True),
        sa.Column("connection_id", sa.BigInteger(), nullable=True),
        sa.Column("school_id", sa.Text(), nullable=True),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("action_id", sa.BigInteger(), nullable=True),
        sa.Column("bulk_id", sa.BigInteger(), nullable=True),
        sa.Column("arguments", postgresql.JSONB(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by_id", sa.BigInteger(), nullable=True),
        sa.Column("decided_by_id", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("handle", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("told", sa.LargeBinary(), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_to_id", sa.BigInteger(), nullable=True),
        sa.Column("during_testing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("looks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["asked_by_id"], ["persons.id"], name=op.f("fk_mdm_commands_asked_by_id")),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_mdm_commands_asset_id")),
        sa.ForeignKeyConstraint(["bulk_id"], ["mdm_bulks.id"], name=op.f("fk_mdm_commands_bulk_id")),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["mdm_connections.id"],
            name=op.f("fk_mdm_commands_connection_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["decided_by_id"], ["persons.id"], name=op.f("fk_mdm_commands_decided_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["record_id"], ["mdm_records.id"], name=op.f("fk_mdm_commands_record_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["school_id"], ["places.id"], name=op.f("fk_mdm_commands_school_id")),
        sa.ForeignKeyConstraint(["told_to_id"], ["persons.id"], name=op.f("fk_mdm_commands_told_to_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mdm_commands")),
        sa.UniqueConstraint("key", name=op.f("uq_mdm_commands_key")),
    )
    op.create_index(
        op.f("ix_mdm_commands_action_id"),
        "mdm_commands",
        ["action_id"],
        unique=False,
        postgresql_where=sa.text("action_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_mdm_commands_asset_id_id"), "mdm_commands", ["asset_id", "id"], unique=False)
    op.create_index(
        "ix_mdm_commands_destructive",
        "mdm_commands",
        ["asked_by_id", "id"],
        unique=False,
        postgresql_where=sa.text("risk = 4"),
    )
    op.create_index(
        op.f("ix_mdm_commands_bulk_id_id"),
        "mdm_commands",
        ["bulk_id", "id"],
        unique=False,
        postgresql_where=sa.text("bulk_id IS NOT NULL"),
    )
    op.create_index(
        "ix_mdm_commands_due",
        "mdm_commands",
        ["next_look_at", "id"],
        unique=False,
        postgresql_where=sa.text("state < 7"),
    )
    op.create_index(
        op.f("ix_mdm_commands_ticket_id_id"),
        "mdm_commands",
        ["ticket_id", "id"],
        unique=False,
        postgresql_where=sa.text("ticket_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_mdm_commands_record_id"),
        "mdm_commands",
        ["record_id"],
        unique=False,
        postgresql_where=sa.text("record_id IS NOT NULL"),
    )
    op.create_index(
        "ix_mdm_commands_waiting", "mdm_commands", ["id"], unique=False, postgresql_where=sa.text("state = 1")
    )
    op.create_table(
        "mdm_reviews",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.SmallInteger(), nullable=False),
        sa.Column("candidates", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by_id", sa.BigInteger(), nullable=True),
        sa.Column("asset_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_mdm_reviews_asset_id")),
        sa.ForeignKeyConstraint(
            ["record_id"], ["mdm_records.id"], name=op.f("fk_mdm_reviews_record_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["settled_by_id"], ["persons.id"], name=op.f("fk_mdm_reviews_settled_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mdm_reviews")),
    )
    op.create_index(
        "uq_mdm_reviews_open",
        "mdm_reviews",
        ["record_id"],
        unique=True,
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_index(op.f("ix_mdm_reviews_record_id"), "mdm_reviews", ["record_id"], unique=False)
    op.create_table(
        "ticket_devices",
        sa.Column("ticket_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("duplicates", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fresh", postgresql.JSONB(), nullable=True),
        sa.Column("fresh_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fresh_begun_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fresh_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fresh_detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_ticket_devices_asset_id")),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_devices_ticket_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_devices")),
    )
    op.create_index(
        op.f("ix_ticket_devices_asset_id_ticket_id"),
        "ticket_devices",
        ["asset_id", "ticket_id"],
        unique=False,
    )
    op.create_index("ix_assets_serial_upper", "assets", [sa.literal_column("upper(serial)")])
