"""What a technician must know of a run: asked and answered, read, done, ruled out.

PURE. In the reader's language, from the state and the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from service.playbooks import grammar
from service.playbooks.facts import FACTS
from service.playbooks.grammar import Book
from service.playbooks.state import State
from service.playbooks.texts import HOLE, in_language, lasting, written
from service.playbooks.traversal import frames_to

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "playbook": {"en": "Guided help", "es": "Ayuda guiada"},
    "why": {"en": "Handed over because", "es": "Motivo del traspaso"},
    "asked": {"en": "Asked and answered", "es": "Preguntas y respuestas"},
    "read": {"en": "Read from systems", "es": "Datos de los sistemas"},
    "done": {"en": "Done", "es": "Acciones realizadas"},
    "ruled_out": {"en": "Ruled out", "es": "Descartado"},
    "dont_know": {"en": "does not know", "es": "no lo sabe"},
    "cannot": {"en": "could not do it", "es": "no pudo hacerlo"},
    "left_out": {"en": "left out", "es": "omitido"},
    "timeout": {"en": "no answer", "es": "sin respuesta"},
    "done_step": {"en": "done", "es": "hecho"},
    "didnt_help": {"en": "done, it did not help", "es": "hecho, no sirvió"},
    "not_relevant": {"en": "not relevant", "es": "no corresponde"},
    "unknown": {"en": "not known", "es": "no se sabe"},
    "ago": {"en": "{0} old, {1}", "es": "hace {0}, {1}"},
    "nothing": {"en": "nothing", "es": "nada"},
    "photos": {"en": "{0} photos", "es": "{0} fotos"},
}
RESULTS: Final[Mapping[str, Mapping[str, str]]] = {
    "ok": {"en": "worked", "es": "funcionó"},
    "unverifiable": {"en": "sent, cannot be verified", "es": "enviado, no se puede comprobar"},
    "error": {"en": "failed", "es": "falló"},
    "failed": {"en": "failed", "es": "falló"},
    "unsupported": {"en": "not possible for this device", "es": "no es posible en este dispositivo"},
    "expired": {"en": "expired", "es": "caducó"},
    "refused": {"en": "not allowed", "es": "no permitido"},
}


@dataclass(frozen=True, slots=True)
class Line:
    """Something and what it came to; `detail` says more where there is more."""

    what: str
    came: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    title: str
    why: str | None
    asked: tuple[Line, ...]
    read: tuple[Line, ...]
    done: tuple[Line, ...]
    ruled_out: tuple[str, ...]


def summary(
    book: Book, state: State, log: Iterable[Any], language: str, now: datetime, zone: tzinfo
) -> Summary:
    """The summary of a run. `log` has the entries of its log in order: `kind`, `path`, `detail`."""
    maker = _Maker(book, state, language, now, zone)
    entries = list(log)
    return Summary(
        title=in_language(book.main.title, language),
        why=state.why,
        asked=tuple(maker.asked(entries)),
        read=tuple(maker.read(entries)),
        done=tuple(maker.done(entries)),
        ruled_out=tuple(maker.ruled_out()),
    )


class _Maker:
    def __init__(self, book: Book, state: State, language: str, now: datetime, zone: tzinfo) -> None:
        self.book = book
        self.state = state
        self.language = language
        self.now = now
        self.zone = zone

    def step(self, path: str) -> Any:
        playbook, step = frames_to(self.book, path)[-1]
        return self.book[playbook].steps[step]

    def said(self, name: str) -> str:
        return in_language(WORDS[name], self.language)

    def text(self, text: Mapping[str, str]) -> str:
        """The words of a step, with what stands in them left out."""
        return HOLE.sub("…", in_language(text, self.language)).strip()

    def asked(self, log: list[Any]) -> Iterable[Line]:
        """Each step that was asked on the way that counts, with what was said to it."""
        reasons = {e.path: str(e.detail.get("reason", "")) for e in log if e.kind == "not_relevant"}
        for visit in self.state.visits:
            step = self.step(visit.path)
            if not isinstance(step, grammar.Question | grammar.Info) or visit.left_at is None:
                continue
            words = step.info if isinstance(step, grammar.Info) else step.text
            if visit.path in reasons:
                yield Line(self.text(words), self.said("not_relevant"), reasons[visit.path])
            elif visit.path in self.state.answers:
                yield Line(self.text(words), self.answer(step, self.state.answers[visit.path]))
            elif visit.edge in ("dont_know", "cannot", "left_out", "timeout"):
                yield Line(self.text(words), self.said(visit.edge))

    def answer(self, step: Any, value: Any) -> str:
        if isinstance(step, grammar.Info):
            return self.said("done_step" if value == "done" else "didnt_help")
        if step.question == "photo":
            return self.said("photos").format(len(value))
        labels = {option.value: self.text(option.label) for option in step.options}
        if isinstance(value, list):
            return ", ".join(labels.get(one, str(one)) for one in value)
        return labels.get(value, written(value, None, self.language))

    def read(self, log: list[Any]) -> Iterable[Line]:
        """The last reading of each fact that a check looked at, with its age and source."""
        last: dict[str, Any] = {}
        for entry in log:
            if entry.kind == "fact_read":
                last |= entry.detail["facts"]
        for name, reading in last.items():
            known = FACTS.get(name)
            if known is None:
                continue
            label = in_language(known.label, self.language)
            if reading is None:
                yield Line(label, self.said("unknown"))
                continue
            value, as_of, source = reading
            age = lasting(self.now - datetime.fromisoformat(as_of), self.language)
            came = written(value, None, self.language, zone=self.zone)
            yield Line(label, came, self.said("ago").format(age, source))

    def done(self, log: list[Any]) -> Iterable[Line]:
        for entry in log:
            step = self.step(entry.path) if entry.kind in ("action_resulted", "action_refused") else None
            if not isinstance(step, grammar.Action):
                continue
            result = str(entry.detail.get("state", "refused"))
            came = in_language(RESULTS.get(result, {"en": result}), self.language)
            undo = self.text(step.undo) if step.undo and result == "ok" else None
            yield Line(self.text(step.text), came, entry.detail.get("detail") or undo)

    def ruled_out(self) -> Iterable[str]:
        for visit in self.state.visits:
            words = self.step(visit.path).rules_out.get(visit.edge) if visit.edge else None
            if words:
                yield self.text(words)


def as_text(made: Summary, language: str) -> str:
    """The summary as the note of a ticket."""
    words = {name: in_language(text, language) for name, text in WORDS.items()}
    lines = [f"{words['playbook']}: {made.title}"]
    if made.why:
        lines.append(f"{words['why']}: {made.why}")
    for name, part in (("asked", made.asked), ("read", made.read), ("done", made.done)):
        if part:
            lines += ["", f"{words[name]}:"]
            lines += [
                f"- {one.what} → {one.came}" + (f" ({one.detail})" if one.detail else "") for one in part
            ]
    if made.ruled_out:
        lines += ["", f"{words['ruled_out']}:", *(f"- {one}" for one in made.ruled_out)]
    return "\n".join(lines)[:20_000]
