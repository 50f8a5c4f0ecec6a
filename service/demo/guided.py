"""Guided help in the demo district: playbooks, what it decided, loaners, and runs in every state."""

from __future__ import annotations

import random
from typing import Any, Final

from service.assets.actions import EditAsset, asset_by_tag, edit_asset
from service.assets.models import AssetKind
from service.core.work import Work
from service.demo import district
from service.demo.founding import District
from service.playbooks.actions import AnswerStep, StartRun, answer, start_run, take_over
from service.playbooks.district import SetDistrictFact, set_district_fact
from service.playbooks.versions import publish_shipped

LOANERS: Final = 2
DECIDED: Final[list[dict[str, Any]]] = [
    {"name": "policy.loaner_allowed", "value": True},
    {"name": "policy.damage_photo", "value": True},
    {"name": "policy.damage_words", "value": "The school office decides; nobody is blamed here."},
    {"name": "policy.police_report", "value": True},
    {"name": "policy.self_service_password", "value": True},
    {"name": "policy.toner_auto_order", "value": False},
    {"name": "policy.hotspot_cap_words", "value": "At 20 GB it stops until the month ends."},
    {"name": "policy.room_has_other_phone", "value": False, "school_id": "0101"},
]
WIFI: Final = "chromebook-wifi"
SOLVED = {"others_work": "yes", "network_list": "nothing", "switch_on": "done", "works_now": "yes"}
STUCK = {
    "others_work": "yes",
    "network_list": "nothing",
    "switch_on": "didnt_help",
    "hard_reset": "didnt_help",
}
RUNS: Final[list[tuple[str, dict[str, str], bool]]] = [
    ("opal.featherstone", SOLVED, False),
    ("beatrix.lund", STUCK, False),
    ("rafael.ibarra", {"others_work": "yes"}, False),
    ("fiona.drummond", STUCK, True),
    ("gabriela.najera", {"others_work": "yes", "network_list": "nothing"}, False),
    ("josephine.ray", SOLVED, False),
]
"""Who ran it, what they answered, and whether a technician took it over; two a school are no outage yet."""


async def prepared(work: Work, made: District) -> None:
    """Playbooks, the district's decisions, and a few loaners a school."""
    await publish_shipped(work)
    work.actor = made.actors[district.ADMINS[0][1]]
    for decided in DECIDED:
        await set_district_fact(work, SetDistrictFact(**decided))
    for (school_id, kind), tags in made.devices.items():
        if kind is AssetKind.CHROMEBOOK:
            for tag in tags[:LOANERS]:
                asset = await asset_by_tag(work, tag)
                known = {"kind": kind, "model": asset.model, "serial": asset.serial}
                await edit_asset(work, tag, EditAsset(**known, place_id=school_id, is_loaner=True))


async def helped(work: Work, made: District, rng: random.Random) -> None:
    """Runs that end, wait and are taken over."""
    for name, said, taken in RUNS:
        teacher = made.actors[name]
        work.actor = teacher
        tag = rng.choice(made.devices[teacher.home_school_id or "", AssetKind.CHROMEBOOK][LOANERS:])
        run = await start_run(work, StartRun(playbook=WIFI, asset_tag=tag))
        for step, value in said.items():
            await answer(work, run.id, AnswerStep(step=step, value=value))
        if taken:
            work.actor = made.actors["chau.ho"]
            await take_over(work, run.id)
