"""Facts of devices, loaners, and playbooks: versions, runs, their logs, actions and photos."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "playbook_versions",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("origin", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("is_part", sa.Boolean(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("book", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=True),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_by", sa.Text(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbook_versions")),
        sa.UniqueConstraint("playbook", "number", name=op.f("uq_playbook_versions_playbook_number")),
    )
    op.create_index(op.f("ix_playbook_versions_hash"), "playbook_versions", ["hash"], unique=False)
    op.create_index(
        "uq_playbook_versions_current",
        "playbook_versions",
        ["playbook"],
        unique=True,
        postgresql_where=sa.text("status = 3"),
    )
    op.create_table(
        "district_facts",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("school_id", sa.Text(), nullable=True),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["places.id"], name=op.f("fk_district_facts_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_district_facts")),
    )
    op.create_index(
        op.f("ix_district_facts_name_school_id"), "district_facts", ["name", "school_id"], unique=False
    )
    op.create_table(
        "asset_facts",
        sa.Column("asset_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_asset_facts_asset_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("asset_id", "name", name=op.f("pk_asset_facts")),
    )
    op.create_index(
        op.f("ix_asset_facts_asset_id_received_at"), "asset_facts", ["asset_id", "received_at"], unique=False
    )
    op.create_table(
        "loans",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("school_id", sa.Text(), nullable=True),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("source_key", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_loans_asset_id")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_loans_person_id")),
        sa.ForeignKeyConstraint(["school_id"], ["places.id"], name=op.f("fk_loans_school_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loans")),
        sa.UniqueConstraint("source_key", name=op.f("uq_loans_source_key")),
    )
    op.create_index(op.f("ix_loans_person_id_id"), "loans", ["person_id", "id"], unique=False)
    op.create_index(op.f("ix_loans_school_id_id"), "loans", ["school_id", "id"], unique=False)
    op.create_index(
        "uq_loans_out", "loans", ["asset_id"], unique=True, postgresql_where=sa.text("state IN (2, 3)")
    )
    op.create_table(
        "playbook_runs",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("began_without_ticket", sa.Boolean(), nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("started_by_id", sa.BigInteger(), nullable=True),
        sa.Column("school_id", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("stage", sa.SmallInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("approval_role", sa.Text(), nullable=True),
        sa.Column("waits_for", sa.Text(), nullable=True),
        sa.Column("wake_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_dry", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_playbook_runs_asset_id")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_playbook_runs_person_id")),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("fk_playbook_runs_ticket_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["playbook_versions.id"], name=op.f("fk_playbook_runs_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbook_runs")),
    )
    op.create_index(
        "ix_playbook_runs_approval",
        "playbook_runs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("stage = 3"),
    )
    op.create_index(op.f("ix_playbook_runs_person_id_id"), "playbook_runs", ["person_id", "id"], unique=False)
    op.create_index(op.f("ix_playbook_runs_school_id_id"), "playbook_runs", ["school_id", "id"], unique=False)
    op.create_index(
        op.f("ix_playbook_runs_ticket_id"),
        "playbook_runs",
        ["ticket_id"],
        unique=False,
        postgresql_where=sa.text("ticket_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_playbook_runs_version_id_started_at"),
        "playbook_runs",
        ["version_id", "started_at"],
        unique=False,
    )
    op.create_index(
        "ix_playbook_runs_waiting",
        "playbook_runs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("waits_for IS NOT NULL"),
    )
    op.create_index(
        "ix_playbook_runs_wake",
        "playbook_runs",
        ["wake_at"],
        unique=False,
        postgresql_where=sa.text("wake_at IS NOT NULL"),
    )
    op.create_table(
        "playbook_actions",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("risk", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["playbook_runs.id"], name=op.f("fk_playbook_actions_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbook_actions")),
        sa.UniqueConstraint(
            "run_id", "path", "attempt", name=op.f("uq_playbook_actions_run_id_path_attempt")
        ),
    )
    op.create_index(
        "uq_playbook_actions_device",
        "playbook_actions",
        ["asset_id"],
        unique=True,
        postgresql_where=sa.text("state = 2"),
    )
    op.create_index(
        "ix_playbook_actions_waiting",
        "playbook_actions",
        ["asset_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 1"),
    )
    op.create_table(
        "playbook_photos",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["playbook_runs.id"], name=op.f("fk_playbook_photos_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbook_photos")),
        sa.UniqueConstraint("run_id", "key", name=op.f("uq_playbook_photos_run_id_key")),
    )
    op.create_table(
        "playbook_run_events",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["playbook_runs.id"], name=op.f("fk_playbook_run_events_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbook_run_events")),
    )
    op.create_index(
        op.f("ix_playbook_run_events_run_id_id"), "playbook_run_events", ["run_id", "id"], unique=False
    )
    op.add_column(
        "assets", sa.Column("is_loaner", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_index(op.f("ix_playbook_photos_at"), "playbook_photos", ["at"], unique=False)
    op.create_index(
        "ix_playbook_runs_open",
        "playbook_runs",
        ["started_by_id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        op.f("ix_playbook_runs_playbook_school_id_started_at"),
        "playbook_runs",
        ["playbook", "school_id", "started_at"],
        unique=False,
    )
