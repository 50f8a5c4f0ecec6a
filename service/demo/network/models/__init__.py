"""Devices of the demo's network as trees of objects, made up from the MIBs and copied from no device."""

from service.demo.network.models.hosts import firewall, nas
from service.demo.network.models.parts import Face, Meter, Nic
from service.demo.network.models.power import Battery, apc_ups, ups
from service.demo.network.models.printers import Trouble, printer
from service.demo.network.models.rooms import projector, room_sensor
from service.demo.network.models.switches import switch
from service.demo.network.models.wireless import access_point, controller

__all__ = [
    "Battery",
    "Face",
    "Meter",
    "Nic",
    "Trouble",
    "access_point",
    "apc_ups",
    "controller",
    "firewall",
    "nas",
    "printer",
    "projector",
    "room_sensor",
    "switch",
    "ups",
]
