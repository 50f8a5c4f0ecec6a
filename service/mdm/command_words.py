"""What became of a command, as a sentence on its ticket, in the language of who reads it. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from integrations.mdm.port import Verb
from service.mdm.models import CommandState

Words = Mapping[str, str]

VERBS: Final[Mapping[Verb, Words]] = {
    Verb.RESTART: {"en": "Restart", "es": "Reinicio"},
    Verb.SHUTDOWN: {"en": "Shut down", "es": "Apagado"},
    Verb.LOCK: {"en": "Lock", "es": "Bloqueo"},
    Verb.DISABLE: {"en": "Disable", "es": "Inhabilitación"},
    Verb.ENABLE: {"en": "Enable", "es": "Habilitación"},
    Verb.WIPE: {"en": "Wipe", "es": "Borrado completo"},
    Verb.WIPE_USERS: {"en": "Wipe of all users' files", "es": "Borrado de los archivos de usuarios"},
    Verb.UNENROL: {"en": "Removal from device management", "es": "Baja de la gestión de dispositivos"},
    Verb.CLEAR_PASSCODE: {"en": "Clear passcode", "es": "Eliminación del código"},
    Verb.SYNC: {"en": "Check-in", "es": "Sincronización"},
    Verb.LOST_MODE_ON: {"en": "Lost mode on", "es": "Activación del modo perdido"},
    Verb.LOST_MODE_OFF: {"en": "Lost mode off", "es": "Desactivación del modo perdido"},
    Verb.PLAY_SOUND: {"en": "Play a sound", "es": "Reproducción de un sonido"},
    Verb.LOCATE: {"en": "Locate", "es": "Localización"},
    Verb.RENAME: {"en": "Rename", "es": "Cambio de nombre"},
    Verb.MESSAGE: {"en": "Message", "es": "Mensaje"},
    Verb.SET_ASSET_TAG: {"en": "Change of asset tag", "es": "Cambio de etiqueta de inventario"},
    Verb.SET_USER: {"en": "Change of user", "es": "Cambio de usuario"},
    Verb.MOVE: {"en": "Move", "es": "Traslado"},
}
SAID: Final[Mapping[CommandState, Words]] = {
    CommandState.WAITING: {
        "en": "waits for a second person to approve it.",
        "es": "espera la aprobación de una segunda persona.",
    },
    CommandState.SUCCEEDED: {"en": "was done.", "es": "se hizo."},
    CommandState.FAILED: {"en": "failed.", "es": "falló."},
    CommandState.EXPIRED: {"en": "was not done in time.", "es": "no se hizo a tiempo."},
    CommandState.CANCELLED: {"en": "was cancelled.", "es": "se canceló."},
    CommandState.UNSUPPORTED: {
        "en": "cannot be done with this device.",
        "es": "no se puede hacer con este dispositivo.",
    },
    CommandState.UNVERIFIABLE: {
        "en": "was sent; whether it was done cannot be confirmed.",
        "es": "se envió; no se puede confirmar si se hizo.",
    },
    CommandState.REFUSED: {"en": "was refused.", "es": "se rechazó."},
}
LINE: Final[Words] = {
    "en": "{verb} of {tag} (command {number}) {said}",
    "es": "{verb} de {tag} (orden {number}): {said}",
}
SECRET: Final[Words] = {
    "en": "It has a PIN or code that can be read once, with the command.",
    "es": "Tiene un PIN o código que se puede leer una vez, en la orden.",
}


def sentence(
    language: str, verb: Verb, state: CommandState, *, tag: str, number: int, detail: str | None, secret: bool
) -> str:
    """One paragraph for the desk. `detail` is put after it as it is; `secret` tells that there is one, never
    which.
    """
    chosen = language.partition("-")[0]
    line = _in(LINE, chosen).format(
        verb=_in(VERBS[verb], chosen), tag=tag, number=number, said=_in(SAID[state], chosen)
    )
    parts = [line, detail, _in(SECRET, chosen) if secret else None]
    return " ".join(part for part in parts if part)


def _in(words: Words, language: str) -> str:
    return words.get(language) or words["en"]
