"""The facts that a playbook may ask about: names, types, how long they stay fresh, and what people call them.

PURE. A name that is not here cannot be used in a playbook; lint says so. Facts of a device are kept with it
(`service.assets`), facts of the desk are counted when they are asked for, and facts of the district are what
its schools decided (fees, loaners, testing windows).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final


class FactType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    INSTANT = "instant"


class Keeper(StrEnum):
    """Who knows it: the MDM, the network monitor, the directory, the desk itself, or the district."""

    MDM = "mdm"
    NETWORK = "network"
    DIRECTORY = "directory"
    DESK = "desk"
    DISTRICT = "district"


@dataclass(frozen=True, slots=True)
class Fact:
    """What was last said of something, when it was true, and who said it."""

    name: str
    value: Any
    as_of: datetime
    source: str


@dataclass(frozen=True, slots=True)
class KnownFact:
    """`max_age` is how old a value may be before it counts as unknown; `staff_only` facts are never shown to
    a requester."""

    name: str
    type: FactType
    keeper: Keeper
    label: Mapping[str, str]
    max_age: timedelta
    choices: tuple[str, ...] = ()
    staff_only: bool = False


_DAY: Final = timedelta(days=1)
_QUARTER_HOUR: Final = timedelta(minutes=15)
_AGES: Final = {
    Keeper.MDM: _DAY,
    Keeper.NETWORK: _QUARTER_HOUR,
    Keeper.DIRECTORY: timedelta(hours=1),
    Keeper.DESK: _QUARTER_HOUR,
    Keeper.DISTRICT: timedelta(days=400),
}
_TYPES: Final = {"n": FactType.NUMBER, "b": FactType.BOOLEAN, "i": FactType.INSTANT, "t": FactType.TEXT}


def _read(keeper: Keeper, lines: str) -> dict[str, KnownFact]:
    """`name type | English | Spanish [| choices]`; a `!` after the type keeps it to staff."""
    known = {}
    for line in lines.strip().splitlines():
        head, english, spanish, *choices = (part.strip() for part in line.split("|"))
        name, kind = head.split()
        known[name] = KnownFact(
            name=name,
            type=_TYPES[kind[0]],
            keeper=keeper,
            label={"en": english, "es": spanish},
            max_age=_AGES[keeper],
            choices=tuple(choices[0].split()) if choices else (),
            staff_only=kind.endswith("!"),
        )
    return known


FACTS: Final[Mapping[str, KnownFact]] = {
    **_read(
        Keeper.MDM,
        """
        device.last_seen i | last check-in | última conexión
        device.status t | status in device management | estado en la gestión de dispositivos | active disabled deprovisioned lost unknown_device
        device.os_version t | system version | versión del sistema
        device.update_state t | system update | actualización del sistema | current available downloading needs_restart pinned
        device.support_ends i | end of updates | fin de las actualizaciones
        device.storage_free_percent n | free storage in percent | espacio libre en porcentaje
        device.storage_free_gb n | free storage in GB | espacio libre en GB
        device.memory_free_percent n | free memory in percent | memoria libre en porcentaje
        device.last_network t! | last network | última red
        device.last_network_at_school b! | last seen on a school network | vista por última vez en la red de la escuela
        device.last_user t! | last user | último usuario
        device.user_count n | users on the device | usuarios en el dispositivo
        device.battery_percent n | battery charge in percent | carga de la batería en porcentaje
        device.battery_health_percent n | battery health in percent | estado de la batería en porcentaje
        device.battery_cycles n | battery charge cycles | ciclos de carga de la batería
        device.enrolled b | enrolled in device management | inscrito en la gestión de dispositivos
        device.forced_enrolment b | enrols again by itself after a wipe | se vuelve a inscribir solo después de borrarlo
        device.serial_matches b | serial number matches the records | el número de serie coincide con los registros
        device.licences_free n | free device licences | licencias de dispositivo libres
        device.cert_expires i | end of the Wi-Fi certificate | fin del certificado de Wi-Fi
        device.supervised b | supervised | supervisado
        device.passcode_set b | has a passcode | tiene código de acceso
        device.encrypted b | encrypted | cifrado
        device.recovery_key_kept b | a recovery key is kept for it | hay una clave de recuperación guardada
        device.clock_skew_seconds n | clock is off by seconds | desfase del reloj en segundos
        device.keyboard_language t | keyboard language | idioma del teclado
        mdm.silent_devices n | devices silent for a day | dispositivos sin conexión desde hace un día
        mdm.push_expires i! | end of the push certificate | fin del certificado de notificaciones
        app.state t | state of the app | estado de la aplicación | installed pending not_now no_licence removed_by_user failed out_of_scope
        app.licences_free n | free licences of the app | licencias libres de la aplicación
        app.system_new_enough b | system new enough for the app | sistema compatible con la aplicación
        test.app_assigned b | test app assigned to the device | aplicación de examen asignada al dispositivo
        test.system_supported b | system supported by the test app | sistema compatible con la aplicación de examen
        """,  # noqa: E501
    ),
    **_read(
        Keeper.NETWORK,
        """
        net.seen_at i | last seen by the Wi-Fi | vista por última vez en la Wi-Fi
        net.signal_dbm n | Wi-Fi signal in dBm | señal de Wi-Fi en dBm
        net.auth_failure t | why the Wi-Fi refused it | motivo del rechazo de la Wi-Fi | none bad_password certificate timeout not_allowed
        net.ap.status t | access point of the room | punto de acceso del aula | up down
        net.ap.clients n | devices on the access point | dispositivos en el punto de acceso
        net.poe t | power from the switch port | energía del puerto del switch | delivering searching disabled fault
        net.poe_cycle_allowed b | port may be restarted | se puede reiniciar el puerto
        net.poe_cycles_24h n | port restarts in 24 hours | reinicios del puerto en 24 horas
        net.port_up b | network port has a link | el puerto de red tiene enlace
        net.port_enabled b | network port is switched on | el puerto de red está activado
        net.port_errors n | errors on the port in an hour | errores del puerto en una hora
        net.uplink_mbps n | speed of the uplink in Mbit/s | velocidad del enlace en Mbit/s
        net.wan_use_percent n | use of the school's internet line in percent | uso de la línea de internet en porcentaje
        printer.reachable b | printer answers on the network | la impresora responde en la red
        printer.status t | printer status | estado de la impresora | idle printing warming_up stopped
        printer.jammed b | paper jam | atasco de papel
        printer.paper_out b | out of paper | sin papel
        printer.door_open b | a door is open | hay una puerta abierta
        printer.supply.min_percent n | lowest toner in percent | tóner más bajo en porcentaje
        printer.supply.empty b | a toner is empty | un tóner está vacío
        printer.waste_full b | waste toner box full | depósito de tóner usado lleno
        printer.panel_text t | words on the printer's panel | texto en el panel de la impresora
        printer.jobs_held n | jobs waiting in the queue | trabajos en espera
        printer.jams_7d n | jams in 7 days | atascos en 7 días
        printer.address_matches b | printer has its usual address | la impresora tiene su dirección de siempre
        av.reachable b | panel or projector answers on the network | la pantalla o el proyector responde en la red
        av.power t | power of the panel or projector | encendido de la pantalla o del proyector | off on cooling warming_up
        av.signal b | picture signal arrives | llega señal de imagen
        av.input t | chosen input | entrada elegida
        av.fault t | fault it reports | falla que informa | none lamp heat filter cover fan other
        av.lamp_percent n | used share of the lamp's life in percent | vida usada de la lámpara en porcentaje
        phone.registered b | phone is registered | el teléfono está registrado
        phone.others_down n | other phones down at the school | otros teléfonos sin servicio en la escuela
        hotspot.seen_at i | hotspot last seen | punto de acceso móvil visto por última vez
        hotspot.sim_active b | SIM is active | la SIM está activa
        hotspot.usage_percent n | data used in percent of the cap | datos usados en porcentaje del límite
        """,  # noqa: E501
    ),
    **_read(
        Keeper.DIRECTORY,
        """
        account.state t | state of the account | estado de la cuenta | active locked disabled expired missing
        account.enrolled b | on the school's roster | en la lista de la escuela
        account.password_age_days n | age of the password in days | antigüedad de la contraseña en días
        account.locks_24h n | times locked in 24 hours | bloqueos en 24 horas
        account.risky_sign_in b! | sign-in from an unusual place | inicio de sesión desde un lugar inusual
        filter.category t | category the filter gave | categoría que puso el filtro | education games social adult malware phishing unknown other
        filter.scene_active b | a teacher's scene is on | hay una escena de un docente activa
        """,  # noqa: E501
    ),
    **_read(
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
    **_read(
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
