"""What the devices of a run came to, and the lines of its report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from service.mdm.applying import Line, line
from service.mdm.matching import AMBIGUOUS
from service.mdm.models import LineKind, ReviewWhy
from service.mdm.planning import Plan, Planned
from service.mdm.staging import MOST_LINES

REASONS: Final = {
    ReviewWhy.SERIAL_TWICE: "Several assets have its serial number.",
    ReviewWhy.TAG_TWICE: "Another device has its tag.",
    ReviewWhy.TAG_OF_ANOTHER: "Its tag is on an asset with another serial number.",
    ReviewWhy.TAKEN: "Another device with its serial number is in use.",
    ReviewWhy.NO_NAME: "It has neither a tag nor a serial number that is free.",
    ReviewWhy.NOT_ADDED: "There is no such asset, and this connection adds none.",
}


@dataclass(slots=True)
class Tally:
    """`moves` are the devices that the guard counts. With `tells_all` each change has a line, else only what
    a person should read.
    """

    tells_all: bool = False
    of: Counter[str] = field(default_factory=Counter)
    moves: int = 0
    lines: list[Line] = field(default_factory=list)

    def add(self, plan: Plan) -> None:
        for one in plan.devices:
            if one.kind is not None:
                self.of[one.kind] += 1
            if one.match is not None and one.match.why is not None:
                self.of["ambiguous" if one.match.why in AMBIGUOUS else "unmatched"] += 1
            self.of["assets_added"] += one.match is not None and one.match.adds is not None
            self.moves += one.moves
            if len(self.lines) < MOST_LINES:
                self.lines += self._lines(one)

    def counts(self) -> dict[str, int]:
        names = (
            LineKind.ADDED,
            LineKind.UPDATED,
            LineKind.RETURNED,
            "assets_added",
            "unmatched",
            "ambiguous",
        )
        return {str(name): self.of[name] for name in names}

    def _lines(self, one: Planned) -> list[Line]:
        about = one.record.external_id, one.record.asset_id
        lines = [line(LineKind.NOTE, note, *about) for note in one.notes]
        if one.match is not None and one.match.why is not None:
            lines.append(line(LineKind.REVIEW, REASONS[one.match.why], *about))
        if self.tells_all and one.kind is not None:
            lines.append(line(one.kind, told(one), *about))
        return lines


def told(one: Planned) -> str:
    """What is done with a device, without what is personal."""
    if one.match is not None and one.match.adds is not None:
        return f"A new asset with the tag {one.match.adds}."
    if one.match is not None and one.match.how is not None:
        again = " It takes over from an earlier enrolment." if one.match.takes_over else ""
        return f"Tied to an asset by its {one.match.how}.{again}"
    if one.match is not None and one.match.why is None:
        return "It has left its management: its record is kept, without an asset."
    sets = one.merge.sets if one.merge is not None else {}
    names = sorted(name.removesuffix("_id") for name in sets if name != "school_id")
    return f"Its record changes; on the asset: {', '.join(names)}." if names else "Its record changes."
