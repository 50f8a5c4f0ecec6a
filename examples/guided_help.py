"""A teacher is helped in the terminal: say what is wrong, answer a few questions, and hand over if it stays.

export FIRSTBELL_URL=http://127.0.0.1:8080 FIRSTBELL_TOKEN=fb_…
python examples/guided_help.py "my Chromebook won't connect" CB-00017
"""

import os
import sys
import time

import httpx

words = sys.argv[1] if len(sys.argv) > 1 else "my Chromebook won't connect"
device = {"asset_tag": sys.argv[2]} if len(sys.argv) > 2 else {}
desk = httpx.Client(
    base_url=os.environ["FIRSTBELL_URL"] + "/api/v1",
    headers={"Authorization": "Bearer " + os.environ["FIRSTBELL_TOKEN"]},
    timeout=10,
)


def asked(answer: httpx.Response) -> dict:
    if answer.is_error:
        print(answer.json()["detail"])
        answer = desk.get(f"/playbook-runs/{run['id']}")
    return answer.json()


found = desk.get("/playbook-suggestions", params={"words": words} | device).raise_for_status().json()
if not found:
    sys.exit("The desk has no guided help for this. File a ticket.")
run = desk.post("/playbook-runs", json={"playbook": found[0]["playbook"]} | device).raise_for_status().json()
print(run["title"])
while run["ended_at"] is None:
    step = run["step"]
    print(f"\n{step['text']}", flush=True)
    if step["answers_by"] != "requester":  # the desk is at work, or somebody else has to answer
        time.sleep(1)
        run = desk.get(f"/playbook-runs/{run['id']}").raise_for_status().json()
        continue
    for choice in step["choices"] + step["ways"]:
        print(f"  {choice['value']}: {choice['label']}", flush=True)
    said = input("> ").strip()
    way = {"way": said} if said in [one["value"] for one in step["ways"]] else {"value": said}
    run = asked(desk.post(f"/playbook-runs/{run['id']}/answer", json={"step": step["path"]} | way))
print(f"\n{run['step']['text']}")
if run["ticket"]:
    print(f"Ticket {run['ticket']}")
