"""Access points as a controller tells of them, and how many clients a device has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from integrations.snmp import decoding
from integrations.snmp.decoding import index_mac, integer, subids, text
from integrations.snmp.reading import AccessPoint, Metric, Reading
from integrations.snmp.target import Answers, Value
from integrations.snmp.understanding.answered import Answered

if TYPE_CHECKING:
    from integrations.snmp.grammar import AccessPointSpec, ClientsSpec

Want = Callable[[str, str], "str | None"]
Reader = Callable[[Answers, Reading], None]


def access_points(
    specs: tuple[AccessPointSpec, ...], answered: Answered
) -> Iterator[tuple[AccessPointSpec, str, AccessPoint]]:
    """Every row of the controller's table, with its rule and index."""
    for spec in specs:
        rows = answered.column(spec.state) or answered.column(spec.name or "")
        for index in rows:
            yield spec, index, _access_point(spec, index, answered)


def _access_point(spec: AccessPointSpec, index: str, answered: Answered) -> AccessPoint:
    def at(column: str | None) -> Value | None:
        return None if column is None else answered.get(f"{column}.{index}")

    address = decoding.mac(at(spec.mac))
    if address is None and spec.mac_in_index:
        address = index_mac(subids(index)[-6:])
    made = AccessPoint(
        key=address or index,
        name=text(at(spec.name)),
        mac=address,
        address=decoding.address(at(spec.address)),
        model=text(at(spec.model)),
        serial=text(at(spec.serial)),
        clients=integer(at(spec.clients)),
        index=index,
    )
    _stand(made, spec, at(spec.state))
    return made


def _stand(made: AccessPoint, spec: AccessPointSpec, value: Value | None) -> None:
    found = integer(value)
    said = str(found) if found is not None else text(value)
    if said is not None:
        state = spec.states.get(said.lower() if found is None else found)
        made.state = state.name if state else said
        made.up = state.up if state else None


def compiled_access_points(
    known: list[tuple[AccessPointSpec, str, AccessPoint]], want: Want
) -> Reader | None:
    """A row that is gone while others still answer is an access point that is gone."""
    wanted = [
        (spec, old, state, want(spec.clients, index) if spec.clients else None)
        for spec, index, old in known
        if (state := want(spec.state, index)) is not None
    ]
    if not wanted:
        return None

    def read(answers: Answers, reading: Reading) -> None:
        others = any(state in answers for _, _, state, _ in wanted)
        for spec, old, state, clients in wanted:
            made = AccessPoint(
                old.key, old.name, None, None, old.mac, old.address, old.model, old.serial, index=old.index
            )
            _stand(made, spec, answers.get(state))
            if others and state not in answers:
                made.up, made.state = False, "gone"
            made.clients = integer(answers.get(clients)) if clients else None
            reading.access_points.append(made)
            if made.clients is not None:
                reading.metrics.append(Metric("ap.clients", made.key, made.clients))

    return read


def clients_of(specs: tuple[ClientsSpec, ...], answered: Answered) -> int | None:
    """By the first rule that the device answers; no rows to count are no clients."""
    for spec in specs:
        if spec.oid is not None and (said := answered.integer(spec.oid)) is not None:
            return said
        if spec.sum is not None and (rows := answered.column(spec.sum)):
            return sum(max(0, integer(value) or 0) for value in rows.values())
        if spec.count is not None:
            return len(answered.column(spec.count))
    return None


def client_places(specs: tuple[ClientsSpec, ...], answered: Answered) -> list[tuple[str, str]]:
    for spec in specs:
        if spec.oid is not None and spec.oid in answered.answers:
            return [(spec.oid.rpartition(".")[0], spec.oid.rpartition(".")[2])]
        if spec.sum is not None and (rows := answered.column(spec.sum)):
            return [(spec.sum, index) for index in rows]
    return []


def compiled_clients(
    specs: tuple[ClientsSpec, ...], rows: Mapping[str, list[str]], want: Want
) -> Reader | None:
    """Rules that count rows are for discovery only: a poll does not see rows that come and go."""
    wanted: list[str] = []
    for spec in specs:
        if spec.oid is not None:
            oid = want(spec.oid.rpartition(".")[0], spec.oid.rpartition(".")[2])
            wanted = [oid] if oid else []
        elif spec.sum is not None:
            wanted = [oid for index in rows.get(spec.sum, []) if (oid := want(spec.sum, index))]
        if wanted:
            break
    if not wanted:
        return None

    def read(answers: Answers, reading: Reading) -> None:
        values = [found for oid in wanted if (found := integer(answers.get(oid))) is not None]
        if values:
            reading.clients = sum(max(0, value) for value in values)
            reading.metrics.append(Metric("wireless.clients", "", reading.clients))

    return read
