"""What answers mean: `understand` for discovery, `rows_of` and `poll_plan` for polls. PURE."""

from integrations.snmp.understanding.checking import rate_verdict
from integrations.snmp.understanding.planning import Glance, Plan, poll_plan, rows_of, understand

__all__ = ["Glance", "Plan", "poll_plan", "rate_verdict", "rows_of", "understand"]
