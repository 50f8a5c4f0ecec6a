"""The facts that a playbook may ask about: names, types, how long they stay fresh, and what people call them.

PURE. A name that is not here cannot be used in a playbook; lint says so. Facts of a device are kept with it
(`service.assets`), facts of the desk are counted when they are asked for, and facts of the district are what
its schools decided (fees, loaners, testing windows).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.assets.fact_words import KEPT_FACTS, FactType, Keeper, KnownFact, read_facts

__all__ = ["FACTS", "Fact", "FactType", "Keeper", "KnownFact"]


@dataclass(frozen=True, slots=True)
class Fact:
    """What was last said of something, when it was true, and who said it."""

    name: str
    value: Any
    as_of: datetime
    source: str


FACTS: Final[Mapping[str, KnownFact]] = {
    **KEPT_FACTS,
    **read_facts(
        Keeper.DESK,
        """
        device.kind t | kind of device | tipo de dispositivo
        device.platform t | platform | plataforma | chromeos ipados windows macos other
        device.model t | model | modelo
        device.tag t | tag | etiqueta
        device.repairs_12m n | repairs in 12 months | reparaciones en 12 meses
        device.repair_open b | a repair is under way | hay una reparación en curso
        device.lost_report_open b! | reported lost or stolen | denunciado como perdido o robado
        person.role t | who asks | quién pregunta | staff pupil guardian vendor technician lead admin
        tickets.same_symptom_15m n | like tickets at the school in 15 minutes | solicitudes parecidas en la escuela en 15 minutos
        tickets.on_device_open n | open tickets on the device | solicitudes abiertas del dispositivo
        loaners.free n | loaners free at the school | equipos de préstamo libres en la escuela
        class.in_session b | school is in session now | la escuela está en clase ahora
        """,  # noqa: E501
    ),
    **read_facts(
        Keeper.DISTRICT,
        """
        school.testing b | testing window | periodo de exámenes
        policy.loaner_allowed b | loaners are given out | se prestan equipos
        policy.damage_words t | what the school does about damage | qué hace la escuela ante un daño
        policy.damage_photo b | photos of damage are wanted | se piden fotos del daño
        policy.police_report b | a police report is wanted for theft | se pide denuncia policial en caso de robo
        policy.self_service_password b | people may reset their own password | cada quien puede cambiar su contraseña
        policy.hotspot_cap_words t | what happens at the data cap | qué pasa al llegar al límite de datos
        policy.toner_auto_order b | toner is ordered by itself | el tóner se pide solo
        policy.room_has_other_phone b | room has another way to reach the office | el aula tiene otra forma de llamar a la oficina
        """,  # noqa: E501
    ),
}
