"""What every figure means, in words: they travel with every answer. PURE."""

from __future__ import annotations

from typing import Final

from service.reports.measures import HOLDS, TIMES

ENDS: Final = {
    "time_to_first_resolution": "From the opening to the first event that says resolved; where there is "
    "none, to the first that says closed",
    "time_to_last_resolution": "From the opening to the last event that says resolved; where there is none, "
    "to the first that says closed. A ticket that was reopened since counts too",
    "time_to_close": "From the opening to the last event that says closed",
}
HOLD: Final = {
    "with_hold": "all of the time, whatever the ticket waited for",
    "without_hold": "less the time in the statuses on_hold and waiting_on_requester",
    "without_on_hold": "less the time in the status on_hold only",
    "without_waiting": "less the time in the status waiting_on_requester only",
}
CLOCK: Final = {
    "calendar": "calendar hours: every hour of the day and the week",
    "working": "working hours: the open hours of the calendar that was asked for, else of the ticket's own, "
    "else of the district's first; null where the desk has no calendar",
}

DEFINITIONS: Final[dict[str, str]] = {
    "tickets": "Tickets of the group: those that the asker sees, that pass the filters, and that were opened "
    "in [opened_since, opened_until). All figures but the backlog are of these.",
    "opened.count": "The same tickets.",
    "opened.by_month": "By the month of opened_at.",
    "resolved.count": "Tickets with a last resolution: the last event that says resolved, or the first that "
    "says closed where none says resolved. A cancelled ticket is not resolved.",
    "resolved.by_month": "By the month of the last resolution.",
    "closed.count": "Tickets with an event that says closed.",
    "closed.by_month": "By the month of the last such event.",
    "*.n": "How many values there are; a ticket without the end of the interval has none.",
    "*.mean_h": "Mean in hours, rounded to 6 places.",
    "*.median_h": "Median in hours, linearly interpolated (percentile_cont 0.5), rounded to 6 places.",
    "*.p90_h": "90th percentile in hours, linearly interpolated (percentile_cont 0.9), rounded to 6 places.",
    **{
        f"{name}.{clock}.{hold}": f"{ENDS[name]}; {CLOCK[clock]}; {HOLD[hold]}."
        for name in TIMES
        for clock in CLOCK
        for hold in HOLDS
    },
    **{
        f"first_response.{clock}": "From the first contact (reported_at) to the first public reply by a "
        f"person on staff; {words}. Only tickets that have a requester; by the date of opening."
        for clock, words in CLOCK.items()
    },
    "first_response.unanswered": "Tickets with a requester and no such reply yet: they are in no mean.",
    "sla.*.n": "Tickets whose timer of this target was stopped, or ran past its due time; cancelled timers "
    "that were not late are left out. Only what the desk owes requesters counts (policies of kind sla): what "
    "queues and vendors owe the desk (ola, vendor) is in no figure here.",
    "sla.*.met": "Of these, the tickets of which a cycle was met and none went past its due time.",
    "sla.*.breached": "Of these, the tickets of which at least one cycle went past its due time.",
    "sla.*.running_past_due": "Of the breached, those whose timer still runs.",
    "sla.*.share": "met / n, rounded to 6 places.",
    "reopened.tickets": "Tickets that were reopened at least once.",
    "reopened.reopens": "Events that lead from resolved or closed into an open status; from resolved to "
    "closed is no reopening.",
    "reopened.by_month": "These events by their own month.",
    "reassigned.tickets": "Tickets that changed their queue at least once.",
    "reassigned.moves": "Changes from one named queue to another; events that name no queue are left out, "
    "and the first queue named is no change.",
    "reassigned.by_month": "These changes by their own month.",
    "backlog": "Tickets open at 00:00 on the first of the month, which is the end of the month before: "
    "opened earlier, and the last event before it, in the order of the audit log, says neither resolved, "
    "closed nor cancelled. No event yet counts as open. Tickets opened before opened_since count too.",
    "by.school": "The ticket's school now.",
    "by.queue": "The ticket's queue now: the last one named.",
    "by.category": "The ticket's category now.",
    "by.priority": "The ticket's priority now, which for imported tickets is that of the last line.",
    "by.month": "The month of opened_at.",
    "by.weekday": "The weekday of opened_at.",
    "zone": "Months, weekdays and ends of months are those of the zone in `query.zone`.",
}
