"""What a ticket of the network's says: a teacher's sentence, and what a technician needs. PURE.

Words of devices (labels, descriptions) are foreign text: control characters go, lengths are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

T = TypeVar("T")
MOST_LISTED = 60
LONGEST = 200

_TEXTS = {
    "en": {
        "nowhere": "an unknown place",
        "evidence": "What the device said",
        "behind": "Behind it, and not reachable either while it is down",
        "more": "and {n} more",
        "help": "Guided help for this: {playbook}",
        "device": "Device: {name}, {model}, address {address}",
        "since": "Since {since}",
    },
    "es": {
        "nowhere": "un lugar desconocido",
        "evidence": "Lo que informó el equipo",
        "behind": "Detrás de él, y también sin conexión mientras no funcione",
        "more": "y {n} más",
        "help": "Ayuda guiada para esto: {playbook}",
        "device": "Equipo: {name}, {model}, dirección {address}",
        "since": "Desde {since}",
    },
}


@dataclass(frozen=True, slots=True)
class About:
    """What the holes of a fault's words are filled with; `behind` are names of devices that hang on it."""

    device: str
    address: str
    model: str | None = None
    room: str | None = None
    school: str | None = None
    label: str | None = None
    instance: str = ""
    value: Any = None
    since: datetime | None = None
    evidence: Mapping[str, Any] | None = None
    behind: Sequence[str] = ()


class _Holes(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def sentence(template: Mapping[Any, str], about: About, language: str) -> str:
    """The template in the language, its holes filled; at most 200 characters."""
    text = nearest(template, language)
    filled = " ".join(text.format_map(_holes(about, language)).split())
    return filled if len(filled) <= LONGEST else filled[: LONGEST - 1] + "…"


def description(template: Mapping[Any, str], about: About, language: str, playbook: str | None) -> str:
    """What a technician reads: what it is, the evidence, what hangs on it, and the playbook that helps."""
    words = _words(language)
    lines = [
        sentence(template, about, language),
        words["device"].format_map(_holes(about, language)),
    ]
    if about.since is not None:
        lines.append(words["since"].format(since=about.since.isoformat(timespec="seconds")))
    if about.evidence:
        lines.append(f"{words['evidence']}:")
        lines += [f"- {clean(name)}: {clean(value)}" for name, value in list(about.evidence.items())[:40]]
    if about.behind:
        lines.append(f"{words['behind']}:")
        lines += [f"- {clean(name)}" for name in about.behind[:MOST_LISTED]]
        if len(about.behind) > MOST_LISTED:
            lines.append("- " + words["more"].format(n=len(about.behind) - MOST_LISTED))
    if playbook is not None:
        lines.append(words["help"].format(playbook=playbook))
    return "\n".join(lines)


def nearest(texts: Mapping[Any, T], language: str) -> T:
    """What is said in the language; for `es-MX` where there is only `es`, that; else in English."""
    return texts.get(language) or texts.get(language.partition("-")[0].lower()) or texts["en"]


def clean(value: Any) -> str:
    """A device's word as one printable line of at most 120 characters."""
    if isinstance(value, float):
        value = round(value, 1)
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return " ".join(text.split())[:120]


def _words(language: str) -> Mapping[str, str]:
    return nearest(_TEXTS, language)


def _holes(about: About, language: str) -> _Holes:
    place = ", ".join(part for part in (about.room, about.school) if part)
    return _Holes(
        place=clean(place or about.device or _words(language)["nowhere"]),
        room=clean(about.room or ""),
        school=clean(about.school or ""),
        device=clean(about.device),
        name=clean(about.device),
        address=clean(about.address),
        model=clean(about.model or "?"),
        label=clean(about.label or about.instance),
        colour=clean(about.label or ""),
        port=clean(about.instance),
        value=clean("" if about.value is None else about.value),
        count=str(len(about.behind)),
        behind=str(len(about.behind)),
        since=about.since.isoformat(timespec="minutes") if about.since else "",
        evidence=", ".join(f"{clean(k)} {clean(v)}" for k, v in list((about.evidence or {}).items())[:5]),
    )
