"""A teacher's own little client: file a ticket, see when the desk promises what, watch what happens.

export FIRSTBELL_URL=http://127.0.0.1:8080 FIRSTBELL_TOKEN=fb_…
python examples/teacher.py "Projector shows no picture"
"""

import os
import sys
import time
import uuid

import httpx

subject = sys.argv[1] if len(sys.argv) > 1 else "Projector shows no picture"
desk = httpx.Client(
    base_url=os.environ["FIRSTBELL_URL"] + "/api/v1",
    headers={"Authorization": "Bearer " + os.environ["FIRSTBELL_TOKEN"]},
    timeout=10,
)

# The same key for every try: however often this is sent, there is one ticket.
key = {"Idempotency-Key": str(uuid.uuid4())}
answer = desk.post("/tickets", json={"subject": subject, "urgency": "cannot_work"}, headers=key)
if answer.is_error:
    sys.exit(answer.json()["detail"])
ticket = answer.json()
print(f"Ticket {ticket['number']}: {ticket['subject']} ({ticket['priority']}, {ticket['queue']['name']})")
for timer in ticket["timers"]:
    print(f"  {timer['target'].replace('_', ' ')} by {timer['due_at']}")

seen, status = 0, "new"
while status not in ("resolved", "closed", "cancelled"):
    for event in desk.get(f"/tickets/{ticket['number']}/timeline").raise_for_status().json()["items"][seen:]:
        who = event["by"]["name"] if event["by"] else "Firstbell"
        print(f"{event['at']}  {event['kind']}  {who}  {event['body'] or ''}", flush=True)
        seen, status = seen + 1, event["status"] or status
    time.sleep(1)
