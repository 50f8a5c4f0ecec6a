"""The present step of a run as somebody sees it, in their language, ready to show.

PURE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from service.playbooks import grammar
from service.playbooks.conditions import span
from service.playbooks.facts import FACTS
from service.playbooks.grammar import TIMES, Audience, Book
from service.playbooks.state import Stage, State, View
from service.playbooks.texts import filled, in_language
from service.playbooks.traversal import can_go_back, step_of

SAID: Final[Mapping[str, Mapping[str, str]]] = {
    "dont_know": {"en": "I don't know", "es": "No lo sé"},
    "cannot": {"en": "I can't do this", "es": "No puedo hacerlo"},
    "left_out": {"en": "Leave this out", "es": "Omitir esto"},
    "done": {"en": "Done", "es": "Listo"},
    "didnt_help": {"en": "It didn't help", "es": "No sirvió"},
    "yes": {"en": "Yes, go ahead", "es": "Sí, adelante"},
    "no": {"en": "No, not now", "es": "No, ahora no"},
    "consent": {"en": "May we do this now?", "es": "¿Podemos hacerlo ahora?"},
    "acting": {"en": "We are doing this now.", "es": "Lo estamos haciendo ahora."},
    "verifying": {
        "en": "We are checking whether it worked.",
        "es": "Estamos comprobando si funcionó.",
    },
    "freshening": {
        "en": "We are looking at the device. This takes a moment.",
        "es": "Estamos revisando el dispositivo. Tarda un momento.",
    },
    "approval": {
        "en": "Somebody at your district has to agree first. You will hear from us.",
        "es": "Alguien de su distrito debe dar su permiso antes. Le avisaremos.",
    },
    "technician": {
        "en": "A technician does the next step. You need not do anything.",
        "es": "Un técnico hace el paso siguiente. Usted no tiene que hacer nada.",
    },
    "handed_over": {
        "en": "A technician takes it from here. They know everything you told us.",
        "es": "Un técnico sigue desde aquí. Ya sabe todo lo que usted nos dijo.",
    },
    "ended": {"en": "That is all. Thank you.", "es": "Eso es todo. Gracias."},
    "cancelled": {"en": "This was cancelled.", "es": "Esto se canceló."},
}


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Card:
    """`kind` says how to show it: single, multi, text, number, photo, info, consent, approval, waiting,
    handed_over, ended, cancelled. `choices` are values of an answer, `ways` what is possible beside them.
    `answers_by` is who can answer; None when nobody need. `seconds` is what the step takes a person."""

    path: str
    kind: str
    text: str
    help: str | None = None
    picture: str | None = None
    picture_alt: str | None = None
    choices: tuple[Choice, ...] = ()
    ways: tuple[Choice, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    answers_by: str | None = None
    until: datetime | None = None
    seconds: int | None = None
    can_go_back: bool = False


def card(book: Book, state: State, language: str, view: View, *, zone: tzinfo) -> Card:
    """The present step for a reader of `language`, with times of day in `zone`."""
    return _Maker(book, state, language, view, zone).made()


class _Maker:
    def __init__(self, book: Book, state: State, language: str, view: View, zone: tzinfo) -> None:
        self.book = book
        self.state = state
        self.language = language
        self.view = view
        self.zone = zone
        self.step = step_of(book, state)
        self.prefix = "".join(f"{step}." for _, step in state.frames[:-1])

    def made(self) -> Card:
        match self.state.stage:
            case Stage.ASKING:
                return self.asked()
            case Stage.CONSENT:
                question = f"{self.words(self.step.text)} {self.said('consent')}"
                return self.plain(
                    "consent", question, choices=self.choices("yes", "no"), answers_by=self.state.asked_of
                )
            case Stage.APPROVAL:
                text = f"{self.words(self.step.text)} {self.said('approval')}"
                return self.plain("approval", text, answers_by=self.step.approval.role.value)
            case Stage.ACTING | Stage.VERIFYING:
                text = f"{self.words(self.step.text)} {self.said(self.state.stage.value)}"
                return self.plain("waiting", text)
            case Stage.FRESHENING:
                return self.plain("waiting", self.said("freshening"))
            case Stage.WAITING:
                return self.plain("waiting", self.words(self.step.text))
        return self.last()

    def last(self) -> Card:
        text = getattr(self.step, "text", None)
        at_its_end = isinstance(self.step, grammar.Handoff | grammar.End)
        said = self.words(text) if at_its_end and text else self.said(self.state.stage.value)
        return self.plain(self.state.stage.value, said)

    def asked(self) -> Card:
        for_technician = self.step.audience is Audience.TECHNICIAN
        asked_of = "technician" if for_technician else self.state.asked_of
        if isinstance(self.step, grammar.Info):
            kind, text = "info", self.step.info
            values = ("done", "didnt_help") if self.step.didnt_help else ("done",)
            choices, ways = self.choices(*values), self.choices("cannot")
        else:
            kind, text = self.step.question, self.step.text
            choices = tuple(Choice(o.value, self.words(o.label)) for o in self.step.options)
            left_out = ("left_out",) if self.step.optional else ()
            ways = self.choices(*left_out, "dont_know", "cannot")
        picture = self.step.picture
        return self.plain(
            kind,
            self.words(text),
            help=self.words(self.step.help) if self.step.help else None,
            picture=picture.slot if picture else None,
            picture_alt=self.words(picture.alt) if picture else None,
            choices=choices,
            ways=ways,
            minimum=getattr(self.step, "minimum", None),
            maximum=getattr(self.step, "maximum", None),
            answers_by=asked_of,
        )

    def plain(self, kind: str, text: str, **more: Any) -> Card:
        time = self.step.time or TIMES.get(grammar.kind_of(self.step))
        is_personal = more.get("answers_by") is not None
        return Card(
            path=self.state.path,
            kind=kind,
            text=text.strip(),
            until=self.state.until,
            seconds=int(span(time).total_seconds()) if time and is_personal else None,
            can_go_back=can_go_back(self.book, self.state, self.view),
            **more,
        )

    def words(self, text: Mapping[str, str]) -> str:
        return filled(text, self.language, self.look, zone=self.zone, now=self.view.now)

    def look(self, kind: str, name: str) -> Any:
        if kind == "answer":
            return self.state.answers.get(self.prefix + name)
        if kind == "out":
            return self.state.outs.get(self.prefix + name)
        known, fact = FACTS.get(name), self.view.fact(name)
        if known is None or known.staff_only or fact is None:
            return None
        return fact.value

    def choices(self, *values: str) -> tuple[Choice, ...]:
        return tuple(Choice(value, self.said(value)) for value in values)

    def said(self, name: str) -> str:
        return in_language(SAID[name], self.language)
