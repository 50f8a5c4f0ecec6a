"""Fills an empty desk with the demo district, through the verbs and with a clock of its own."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select, text

from service.core.actor import SYSTEM, Actor
from service.core.errors import Conflict
from service.core.work import Resources, Work
from service.demo import district
from service.demo.casting import Cast, cases
from service.demo.founding import founded
from service.demo.hours import ZONE
from service.demo.plots import Case, Step
from service.people.models import Person
from service.people.tokens import MadeToken, NewToken, create_token
from service.sla.calendars import EditCalendar
from service.sla.models import SlaTimer
from service.tickets.inputs import OpenTicket
from service.tickets.lifecycle import is_open
from service.tickets.models import LinkKind, Ticket
from service.tickets.opening import open_ticket
from service.tickets.recalculation import edit_calendar
from service.tickets.sweep import sweep_batch

SEED = 20
LOCK = 0x46425F44  # "FB_D"
WEEKS = timedelta(weeks=6)
SWEPT_AFTER = timedelta(seconds=3)
TOKENS_LAST = timedelta(days=30)
