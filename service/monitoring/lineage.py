"""Who hangs on whom, where rows may be doubled or run in a circle. PURE.

`parents` maps a device to the devices that it hangs on; `states` says how each stands, and of whom it says
nothing is `UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from service.monitoring.memory import Standing

Parents = Mapping[int, Iterable[int]]


def uplinks(device: int, parents: Parents) -> tuple[int, ...]:
    """The parents that count, once each and in order.

    Rows that make a loop must not let everybody in it wait for everybody else: the lowest id of a loop does
    not hang on the others.
    """
    own = tuple(_own(device, parents))
    loop = _loop(device, parents)
    if any(other < device for other in loop):
        return own
    return tuple(parent for parent in own if parent not in loop)


def root(device: int, states: Mapping[int, Standing], parents: Parents) -> int | None:
    """The device whose fault explains that this one cannot be reached; None where a way to it may be there.

    A device is explained if it has parents, each of them down, or not known and explained itself. The root is
    the nearest ancestor that is down and not explained.
    """
    above = _above(device, parents)
    links = {one: uplinks(one, parents) for one in (device, *above)}
    explained = _explained(links, states)
    if device not in explained:
        return None
    for one in _above(device, links):
        if _state(one, states) is Standing.DOWN and one not in explained:
            return one
    return None


def _explained(links: dict[int, tuple[int, ...]], states: Mapping[int, Standing]) -> set[int]:
    found: set[int] = set()
    grew = True
    while grew:
        grew = False
        # From the far end, so that a chain takes one turn.
        for one in reversed(links):
            if one not in found and _is_explained(links[one], states, found):
                found.add(one)
                grew = True
    return found


def _is_explained(above: tuple[int, ...], states: Mapping[int, Standing], explained: set[int]) -> bool:
    cut = (
        _state(parent, states) is Standing.DOWN
        or (_state(parent, states) is Standing.UNKNOWN and parent in explained)
        for parent in above
    )
    return bool(above) and all(cut)


def _state(device: int, states: Mapping[int, Standing]) -> Standing:
    return states.get(device, Standing.UNKNOWN)


def _own(device: int, parents: Parents) -> list[int]:
    return [parent for parent in dict.fromkeys(parents.get(device, ())) if parent != device]


def _above(device: int, parents: Parents) -> list[int]:
    """Every ancestor once, the nearest first; without the device, also where it is in a loop."""
    found = dict.fromkeys(_own(device, parents))
    ahead = list(found)
    for one in ahead:
        new = [other for other in _own(one, parents) if other != device and other not in found]
        found |= dict.fromkeys(new)
        ahead += new
    return ahead


def _loop(device: int, parents: Parents) -> set[int]:
    """The ancestors that hang on the device themselves."""
    children: dict[int, list[int]] = {}
    for one in _above(device, parents):
        for parent in _own(one, parents):
            children.setdefault(parent, []).append(one)
    found: set[int] = set()
    ahead = [device]
    while ahead:
        for child in children.get(ahead.pop(), ()):
            if child not in found:
                found.add(child)
                ahead.append(child)
    return found
