"""What a vendor's words mean here: a site is a place, a model a kind of device. Pure; compiled once, then
asked for every record.

A site that begins with a slash is a unit in a tree ("/Schools/North/Carts"): it follows the nearest unit
above it that means something. Words are compared without case and surrounding blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from integrations.mdm.port import Platform
from service.assets.models import AssetKind
from service.mdm.models import MappingKind

MOST_REMEMBERED: Final = 50_000
_BLANKS = re.compile(r"\s+")


class Why(StrEnum):
    """Why a word means what it does, or nothing. `MAPPED`, `INHERITED` (a site, from a unit above it),
    `SAME_NAME` (a place's id or name), `KNOWN_MODEL` and `PLATFORM` (a kind as shipped) give an answer;
    `IGNORED` (on purpose), `SEVERAL_PLACES`, `UNKNOWN_WORD` and `NO_WORD` (nothing was said) give none.
    """

    MAPPED = "mapped"
    INHERITED = "inherited"
    SAME_NAME = "same_name"
    KNOWN_MODEL = "known_model"
    PLATFORM = "platform"
    IGNORED = "ignored"
    SEVERAL_PLACES = "several_places"
    UNKNOWN_WORD = "unknown_word"
    NO_WORD = "no_word"


@dataclass(frozen=True, slots=True)
class Found:
    """A place with its school, or why there is none."""

    place_id: str | None
    school_id: str | None
    why: Why


@dataclass(frozen=True, slots=True)
class Kind:
    """What a device is; `model_name` where the district calls its model something else."""

    kind: AssetKind
    model_name: str | None
    why: Why


Words = dict[tuple[int | None, str], Any]


@dataclass(slots=True)
class Mapped:
    """The mapping tables and the district's places, ready to be asked. `schools` by place id."""

    sites: Words = field(default_factory=dict)
    models: Words = field(default_factory=dict)
    names: dict[str, str | None] = field(default_factory=dict)
    schools: dict[str, str] = field(default_factory=dict)
    _places: dict[tuple[int, str], Found] = field(default_factory=dict, repr=False)
    _kinds: dict[Any, Kind] = field(default_factory=dict, repr=False)


def compiled(mappings: Iterable[Any], places: Iterable[Any]) -> Mapped:
    """From rows with the columns of MdmMapping, and of places `id, name, school_id`. Of two rows for the same
    word the later id counts.
    """
    made = Mapped()
    for row in sorted(mappings, key=lambda row: row.id or 0):
        words = made.sites if row.kind is MappingKind.SITE else made.models
        words[row.connection_id, folded(row.word)] = row
    by_name: dict[str, set[str]] = {}
    ids: dict[str, str] = {}
    for place in places:
        made.schools[place.id] = place.school_id
        ids[folded(place.id)] = place.id
        by_name.setdefault(folded(place.name), set()).add(place.id)
    for name, found in by_name.items():
        made.names[name] = found.pop() if len(found) == 1 else None
    made.names.update(ids)
    return made


def folded(word: str) -> str:
    """As words are compared: without case, with single blanks; a unit without a slash at its end."""
    plain = _BLANKS.sub(" ", word).strip().casefold()
    if not plain.startswith("/"):
        return plain
    return "/" + "/".join(part.strip() for part in plain.split("/") if part.strip())


def levels(word: str) -> Iterator[str]:
    """A folded word, and the units above it, the nearest first, up to "/"."""
    yield word
    while word.startswith("/") and word != "/":
        word = word.rpartition("/")[0] or "/"
        yield word


def place_for(mapped: Mapped, connection_id: int, site: str | None) -> Found:
    """Where devices of that site stand. The nearest unit counts; at each, the connection's own mapping before
    everybody's; a place of that very id or name only where no mapping speaks.
    """
    if site is None or not (word := folded(site)):
        return Found(None, None, Why.NO_WORD)
    known = mapped._places.get((connection_id, word))
    if known is None:
        known = _place(mapped, connection_id, word)
        _remember(mapped._places, (connection_id, word), known)
    return known


def _place(mapped: Mapped, connection_id: int, word: str) -> Found:
    for level in levels(word):
        row = mapped.sites.get((connection_id, level)) or mapped.sites.get((None, level))
        if row is not None:
            why = Why.MAPPED if level == word else Why.INHERITED
            return _found(mapped, row.place_id, why if row.place_id is not None else Why.IGNORED)
    fits_several = False
    for level in levels(word):
        name = level.removeprefix("/")
        if name in mapped.names:
            place_id = mapped.names[name]
            if place_id is not None:
                return _found(mapped, place_id, Why.SAME_NAME if level == word else Why.INHERITED)
            fits_several = True
    return Found(None, None, Why.SEVERAL_PLACES if fits_several else Why.UNKNOWN_WORD)


def _found(mapped: Mapped, place_id: str | None, why: Why) -> Found:
    return Found(place_id, mapped.schools.get(place_id) if place_id is not None else None, why)


def kind_for(
    mapped: Mapped, connection_id: int, model: str | None, model_id: str | None, platform: Platform
) -> Kind:
    """What a device of that model is. The vendor's id of a model counts before its name (two models may share
    one), the connection's own mapping before everybody's, both before what is shipped.
    """
    asked = connection_id, model, model_id, platform
    known = mapped._kinds.get(asked)
    if known is None:
        known = _kind(mapped, connection_id, model, model_id, platform)
        _remember(mapped._kinds, asked, known)
    return known


def _kind(
    mapped: Mapped, connection_id: int, model: str | None, model_id: str | None, platform: Platform
) -> Kind:
    shipped = shipped_kind(model, model_id, platform)
    words = [folded(word) for word in (model_id, model) if word and word.strip()]
    for owner in (connection_id, None):
        for word in words:
            row = mapped.models.get((owner, word))
            if row is not None:
                if row.asset_kind is None and row.model_name is None:
                    return Kind(shipped.kind, None, Why.IGNORED)
                return Kind(row.asset_kind or shipped.kind, row.model_name, Why.MAPPED)
    return shipped if words or shipped.why is Why.PLATFORM else Kind(shipped.kind, None, Why.NO_WORD)


def _remember(memory: dict[Any, Any], asked: Any, answer: Any) -> None:
    if len(memory) >= MOST_REMEMBERED:
        memory.clear()
    memory[asked] = answer


# As makers and vendors write them; the first that is found counts.
_MODELS: Final = (
    (r"virtual ?machine|virtualbox|vmware|parallels|\bkvm\b|\bqemu\b", AssetKind.OTHER),
    (r"apple ?tv|viewboard|viewsonic|promethean|activpanel|smart ?board|\bnewline\b", AssetKind.DISPLAY),
    (r"clear ?touch|interactive (?:flat )?panel|touch ?display|signage", AssetKind.DISPLAY),
    (r"chromebox|chromebase|chromebit", AssetKind.DESKTOP),
    (r"macbook|chromebook", AssetKind.LAPTOP),
    (r"\bimac|mac ?mini|mac ?pro|mac ?studio", AssetKind.DESKTOP),
    (r"optiplex|thinkcentre|thinkstation|elitedesk|prodesk|elite ?one|pro ?one", AssetKind.DESKTOP),
    (r"veriton|\bnuc|ideacentre|inspiron one|vostro desktop|\btower\b|\bmini ?pc\b", AssetKind.DESKTOP),
    (r"all-in-one|\baio\b|\bsff\b|micro form", AssetKind.DESKTOP),
    (r"ipad|galaxy tab|\btab [a-z]?\d|\btablet\b|kindle|fire hd", AssetKind.TABLET),
    (r"iphone|ipod|\bpixel \d|galaxy [sajz]\d|\bmoto [a-z]", AssetKind.PHONE),
    (r"latitude|thinkpad|elitebook|probook|travelmate|\bsurface\b|zbook|ideapad|laptop|notebook",
     AssetKind.LAPTOP),
)  # fmt: skip
_KNOWN: Final = tuple((re.compile(pattern), kind) for pattern, kind in _MODELS)
_PLATFORMS: Final = {
    Platform.CHROMEOS: AssetKind.CHROMEBOOK,
    Platform.WINDOWS: AssetKind.LAPTOP,
    Platform.MACOS: AssetKind.LAPTOP,
    Platform.IOS: AssetKind.PHONE,
    Platform.IPADOS: AssetKind.TABLET,
    Platform.TVOS: AssetKind.DISPLAY,
    Platform.ANDROID: AssetKind.TABLET,
    Platform.LINUX: AssetKind.DESKTOP,
}


def shipped_kind(model: str | None, model_id: str | None, platform: Platform) -> Kind:
    """By well-known words in the model or the vendor's id of it, else by the platform; OTHER where neither
    tells.
    """
    words = " ".join(folded(word) for word in (model, model_id) if word)
    for pattern, kind in _KNOWN:
        if words and pattern.search(words):
            is_chromebook = platform is Platform.CHROMEOS and kind is AssetKind.LAPTOP
            return Kind(AssetKind.CHROMEBOOK if is_chromebook else kind, None, Why.KNOWN_MODEL)
    kind_by_platform = _PLATFORMS.get(platform)
    if kind_by_platform is None:
        return Kind(AssetKind.OTHER, None, Why.UNKNOWN_WORD)
    return Kind(kind_by_platform, None, Why.PLATFORM)
