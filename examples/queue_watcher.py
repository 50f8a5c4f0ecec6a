"""A technician's watcher: prints what happens in a queue, as it happens (GraphQL subscription).

export FIRSTBELL_URL=http://127.0.0.1:8080 FIRSTBELL_TOKEN=fb_…
python examples/queue_watcher.py classroom
"""

import asyncio
import json
import os
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

URL = os.environ["FIRSTBELL_URL"].replace("http", "ws", 1) + "/graphql"
HELLO = {"type": "connection_init", "payload": {"Authorization": "Bearer " + os.environ["FIRSTBELL_TOKEN"]}}
CHANGES = """
subscription Watch($queue: String!) {
  queueChanged(key: $queue) {
    missed
    event { kind byName }
    ticket { number subject status priority }
  }
}
"""


async def watch(queue: str) -> None:
    # `connect` as a loop comes back by itself when the desk was restarted or the network was away.
    async for socket in connect(URL, subprotocols=["graphql-transport-ws"]):
        try:
            await socket.send(json.dumps(HELLO))
            if json.loads(await socket.recv())["type"] != "connection_ack":
                sys.exit("The desk did not let us in.")
            asked = {"query": CHANGES, "variables": {"queue": queue}}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": asked}))
            print(f"Watching {queue}.", flush=True)
            async for text in socket:
                await show(json.loads(text), socket)
        except ConnectionClosed as closed:
            if closed.rcvd and closed.rcvd.code in (4401, 4403):
                sys.exit("The desk does not know this token.")
            print("The connection is gone; trying again.", file=sys.stderr)


async def show(message, socket) -> None:
    if message["type"] == "ping":
        await socket.send('{"type": "pong"}')
    elif message["type"] == "error":
        sys.exit(message["payload"][0]["message"])
    elif message["type"] == "next":
        change = message["payload"]["data"]["queueChanged"]
        ticket, event = change["ticket"], change["event"]
        print(
            f"{ticket['priority']}  {ticket['number']}  {event['kind']} by {event['byName']}"
            f"  {ticket['subject']} ({ticket['status'].lower()})",
            flush=True,
        )


asyncio.run(watch(sys.argv[1] if len(sys.argv) > 1 else "desk"))
