"""Every table, so that migrations know them all."""

import service.assets.models
import service.core.models
import service.mdm.models
import service.monitoring.history_models
import service.monitoring.models
import service.people.models
import service.places.models
import service.playbooks.models
import service.sla.models
import service.tickets.models  # noqa: F401
