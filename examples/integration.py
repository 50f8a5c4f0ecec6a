"""An integration: opens a ticket when a device fails, resolves it when the device is back (GraphQL).

    export FIRSTBELL_URL=http://127.0.0.1:8080 FIRSTBELL_TOKEN=fb_…
    python examples/integration.py PR-00003

Every change carries an idempotency key, so a request whose answer got lost can simply be sent again.
"""

import os
import sys
import time
import uuid

import httpx

OPEN = """
mutation Open($input: OpenTicketInput!) {
  openTicket(input: $input) { ticket { number status nextDueAt } userErrors { field code message } }
}
"""
RESOLVE = """
mutation Resolve($input: ResolveTicketInput!) {
  resolveTicket(input: $input) { ticket { number status } userErrors { field code message } }
}
"""
TRIES = 6

desk = httpx.Client(
    base_url=os.environ["FIRSTBELL_URL"],
    headers={"Authorization": "Bearer " + os.environ["FIRSTBELL_TOKEN"]},
    timeout=10,
)


def change(mutation: str, **wanted):
    """Do it once, however often it has to be sent: the key stays the same from try to try."""
    wanted = {"idempotencyKey": str(uuid.uuid4()), **wanted}
    for attempt in range(TRIES):
        try:
            answer = desk.post("/graphql", json={"query": mutation, "variables": {"input": wanted}})
        except httpx.TransportError as lost:
            print(f"No answer ({type(lost).__name__}), sending it again.", file=sys.stderr)
        else:
            if answer.is_client_error:
                sys.exit(answer.json()["detail"])
            if answer.is_success and (ticket := outcome(answer.json())):
                return ticket
        time.sleep(0.2 * 2**attempt)
    sys.exit("The desk does not answer.")


def outcome(body):
    """The ticket; None when the desk asks to try again: its database was away, or somebody held the row."""
    errors = [(error["extensions"]["code"], error["message"]) for error in body.get("errors", ())]
    for payload in (body["data"] or {}).values():
        errors += [(error["code"], error["message"]) for error in payload["userErrors"]]
    if not errors:
        return payload["ticket"]
    code, message = errors[0]
    return None if code in ("unavailable", "busy") else sys.exit(message)


tag = sys.argv[1] if len(sys.argv) > 1 else "PR-00003"
ticket = change(
    OPEN,
    subject=f"{tag} does not answer",
    assetTag=tag,
    category="print",
    channel="MONITORING",
    sourceKey=f"example:{tag}",  # one open ticket a fault, also from two monitors at once
)
print(f"Opened {ticket['number']}, due {ticket['nextDueAt']}.", flush=True)

time.sleep(1)  # … the device comes back …

ticket = change(
    RESOLVE,
    number=ticket["number"],
    resolution="It answers again.",
    cause="PRINT_OFFLINE",
    fix="NONE",
)
print(f"Resolved {ticket['number']}: {ticket['status'].lower()}.")
