"""Facts of a device in words: what they are called, what their values mean, who may read them.

PURE. These are the facts that are kept with a device; a playbook may ask about them, and a ticket shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from service.core.words import in_language, instant, lasting, written


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


DAY: Final = timedelta(days=1)
_QUARTER_HOUR: Final = timedelta(minutes=15)
_AGES: Final = {
    Keeper.MDM: DAY,
    Keeper.NETWORK: _QUARTER_HOUR,
    Keeper.DIRECTORY: timedelta(hours=1),
    Keeper.DESK: _QUARTER_HOUR,
    Keeper.DISTRICT: timedelta(days=400),
}
_TYPES: Final = {"n": FactType.NUMBER, "b": FactType.BOOLEAN, "i": FactType.INSTANT, "t": FactType.TEXT}


def read_facts(keeper: Keeper, lines: str) -> dict[str, KnownFact]:
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


KEPT_FACTS: Final[Mapping[str, KnownFact]] = {
    **read_facts(
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
        device.management t | enrolment in device management | inscripción en la gestión de dispositivos | enrolled disabled unenrolled pending unknown
        device.compliance t | keeps to the rules of device management | cumple las reglas de la gestión de dispositivos | ok bad grace
        device.name t! | name in device management | nombre en la gestión de dispositivos
        device.user t! | assigned user | usuario asignado
        device.public_address t! | last public address | última dirección pública
        device.wifi_mac t! | Wi-Fi address of the device | dirección Wi-Fi del dispositivo
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
    **read_facts(
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
        port.oper_status t | state of the network port | estado del puerto de red | up down testing unknown dormant not_present lower_layer_down
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
    **read_facts(
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
}
PLAIN: Final = frozenset(
    {
        "device.last_seen",
        "device.status",
        "device.management",
        "device.enrolled",
        "device.os_version",
        "device.update_state",
        "device.support_ends",
        "device.storage_free_percent",
        "device.storage_free_gb",
        "device.battery_percent",
        "device.battery_health_percent",
        "device.battery_cycles",
    }
)
"""What whoever may know a device reads of it; who used it, where, and by which address is for the desk."""
LAST_SEEN: Final = "device.last_seen"
_PLACES: Final = {name: place for place, name in enumerate(KEPT_FACTS)}
_UNITS: Final = {"percent": "%", "gb": "GB", "dbm": "dBm", "mbps": "Mbit/s", "seconds": "s"}
_CHOICES: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "device.status": {
        "active": {"en": "in use", "es": "en uso"},
        "disabled": {"en": "disabled", "es": "desactivado"},
        "deprovisioned": {"en": "taken out of device management", "es": "dado de baja en la gestión"},
        "lost": {"en": "reported lost", "es": "marcado como perdido"},
        "unknown_device": {"en": "not known there", "es": "no se conoce allí"},
    },
    "device.management": {
        "enrolled": {"en": "enrolled", "es": "inscrito"},
        "disabled": {"en": "disabled", "es": "desactivado"},
        "unenrolled": {"en": "not enrolled", "es": "no inscrito"},
        "pending": {"en": "being enrolled or taken out", "es": "en trámite"},
        "unknown": {"en": "not known", "es": "no se sabe"},
    },
    "device.compliance": {
        "ok": {"en": "yes", "es": "sí"},
        "bad": {"en": "no", "es": "no"},
        "grace": {"en": "not yet", "es": "todavía no"},
    },
    "device.update_state": {
        "current": {"en": "up to date", "es": "al día"},
        "available": {"en": "an update is there", "es": "hay una actualización"},
        "downloading": {"en": "an update is loading", "es": "se descarga una actualización"},
        "needs_restart": {"en": "needs a restart", "es": "falta reiniciar"},
        "pinned": {"en": "held at its version", "es": "fijado en su versión"},
    },
}
NOTES: Final[Mapping[str, Mapping[str, str]]] = {
    "seen": {
        "en": "Last seen by device management {0} ago.",
        "es": "Última conexión con la gestión de dispositivos: hace {0}.",
    },
    "seen_stale": {
        "en": "Last seen by device management {0} ago; what follows may have changed.",
        "es": "Última conexión con la gestión de dispositivos: hace {0}; lo que sigue puede haber cambiado.",
    },
    "seen_then": {
        "en": "Last seen by device management {0} before this was filed.",
        "es": "Última conexión con la gestión de dispositivos: {0} antes de registrar la solicitud.",
    },
    "seen_then_stale": {
        "en": "Last seen by device management {0} before this was filed; what follows may have changed.",
        "es": "Última conexión con la gestión de dispositivos: {0} antes de registrar la solicitud; "
        "lo que sigue puede haber cambiado.",
    },
    "old": {
        "en": "What is known of this device was {0} old when this was filed; it may have changed.",
        "es": "Lo que se sabe de este dispositivo tenía {0} al registrar la solicitud; puede haber cambiado.",
    },
    "nothing": {
        "en": "Nothing is known of this device.",
        "es": "No se sabe nada de este dispositivo.",
    },
    "withheld": {
        "en": "The desk has what is known of this device.",
        "es": "La mesa tiene lo que se sabe de este dispositivo.",
    },
    "not_asked": {
        "en": "The device could not be looked at again just now.",
        "es": "No se pudo consultar de nuevo el dispositivo en este momento.",
    },
}
JUST_FILED: Final = timedelta(hours=1)


def said(note: str, language: str) -> str:
    """One of NOTES."""
    return in_language(NOTES[note], language)


def label_of(name: str, language: str) -> str:
    """What people call a fact; its name where nobody gave it another."""
    known = KEPT_FACTS.get(name)
    return in_language(known.label, language) if known is not None else name


def unit_of(name: str) -> str | None:
    return _UNITS.get(name.rpartition("_")[2])


def in_words(name: str, value: Any, language: str) -> str:
    """A fact's value as a person reads it, with its unit; instants to the minute, in UTC."""
    choices = _CHOICES.get(name, {})
    if isinstance(value, str) and value in choices:
        return in_language(choices[value], language)
    known = KEPT_FACTS.get(name)
    if known is not None and known.type is FactType.INSTANT:
        at = instant(value)
        return written(value, None, language) if at is None else _dated(at, language)
    unit = unit_of(name)
    words = written(value, None, language)
    if unit is None or isinstance(value, bool) or not isinstance(value, int | float):
        return words
    return f"{words}{unit}" if unit == "%" and not language.startswith("es") else f"{words} {unit}"


def _dated(at: datetime, language: str) -> str:
    """A whole day as a date; else to the minute."""
    plain = at.astimezone(UTC)
    if (plain.hour, plain.minute, plain.second) == (0, 0, 0):
        return written(at, "date", language)
    return f"{written(at, None, language)} UTC"


def place_of(name: str) -> tuple[int, str]:
    """Where a fact stands in a list of them: known ones in their usual order, others after them."""
    return _PLACES.get(name, len(_PLACES)), name


def is_stale(as_of: datetime, then: datetime) -> bool:
    """Whether what was so at `as_of` was more than a day old `then`."""
    return then - as_of > DAY


def note_of(
    facts: Mapping[str, tuple[Any, datetime]], *, taken_at: datetime, now: datetime, language: str
) -> str | None:
    """One sentence on how much the facts of a ticket's device are worth: `facts` by name are value and
    `as_of`, taken at `taken_at` and read `now`. None where nothing needs to be said.
    """
    if not facts:
        return said("nothing", language)
    seen = instant(facts[LAST_SEEN][0]) if LAST_SEEN in facts else None
    if seen is None:
        age = taken_at - max(as_of for _, as_of in facts.values())
        return said("old", language).format(lasting(age, language)) if age > DAY else None
    tense = "seen" if now - taken_at < JUST_FILED else "seen_then"
    note = f"{tense}_stale" if is_stale(seen, taken_at) else tense
    return said(note, language).format(lasting(taken_at - seen, language))
