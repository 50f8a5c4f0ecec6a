"""What the network measured: samples by day, and their roll-ups by hour and by day."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "network_samples",
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("values", postgresql.ARRAY(sa.REAL()), nullable=False),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_network_samples_device_id_at", "network_samples", ["device_id", "at"])
    op.create_index("ix_network_samples_at", "network_samples", ["at"], postgresql_using="brin")
    for name in ("network_hours", "network_days"):
        op.create_table(
            name,
            sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("n", sa.Integer(), nullable=False),
            sa.Column("least", postgresql.ARRAY(sa.REAL()), nullable=False),
            sa.Column("mean", postgresql.ARRAY(sa.REAL()), nullable=False),
            sa.Column("most", postgresql.ARRAY(sa.REAL()), nullable=False),
            sa.PrimaryKeyConstraint("device_id", "at", name=op.f(f"pk_{name}")),
        )
