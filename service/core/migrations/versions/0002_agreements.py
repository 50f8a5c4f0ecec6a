"""Agreements beside the SLA: kinds of policies and timers, the vendor of a hold, further steps.

New columns have constant defaults, or none, so no table is rewritten. The unique index of timers is built
while they are used, and takes the place of the old one in an instant. What an earlier version writes
meanwhile is an SLA's.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NEW = "uq_sla_timers_ticket_id_agreement_target_n"
OLD = "uq_sla_timers_ticket_id_target_n"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE sla_policies ADD COLUMN IF NOT EXISTS kind smallint NOT NULL DEFAULT 1")
    op.execute(
        "ALTER TABLE sla_timers"
        " ADD COLUMN IF NOT EXISTS agreement smallint NOT NULL DEFAULT 1,"
        " ADD COLUMN IF NOT EXISTS vendor_id bigint,"
        " ADD COLUMN IF NOT EXISTS steps jsonb NOT NULL DEFAULT '[]'"
    )
    op.execute(
        "ALTER TABLE tickets ADD COLUMN IF NOT EXISTS vendor_id bigint"
        " CONSTRAINT fk_tickets_vendor_id REFERENCES persons (id)"
    )
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '2min'")  # it waits for older transactions, and holds nobody up
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NEW}")  # what a run that broke off left behind
        op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {NEW} ON sla_timers (ticket_id, agreement, target, n)")
        op.execute("RESET lock_timeout")
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(f"ALTER TABLE sla_timers ADD CONSTRAINT {NEW} UNIQUE USING INDEX {NEW}, DROP CONSTRAINT {OLD}")
