"""How a run moves: one event in, the next state out, with what to write down and what to have done.

PURE. Steps that need nobody are walked through at once; the walk ends at a step that waits for a person, a
result, a fact or the time. What has no way on leads to the way out, and without one to the owner's queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from service.playbooks import grammar
from service.playbooks.answers import DoesNotFit, edge_of, fitted
from service.playbooks.conditions import Compare, Condition, LookUp, Op, Plain, holds, leaves, span
from service.playbooks.facts import FACTS, Fact, Keeper
from service.playbooks.grammar import DEEPEST_CALL, MOST_VISITS, TIMEOUTS, Audience, Book, Risk
from service.playbooks.state import (
    PERSONAL,
    Advance,
    Answer,
    Back,
    By,
    Cancel,
    Decide,
    Decision,
    Effect,
    Entry,
    Event,
    HandedOver,
    HandOver,
    Look,
    Perform,
    Refresh,
    Replied,
    Result,
    Skip,
    Stage,
    State,
    TakeOver,
    View,
    Visit,
    WantsTechnician,
)

ASKED: Final = frozenset({Keeper.MDM, Keeper.NETWORK, Keeper.DIRECTORY})
_OUT_OF_SESSION: Final = Compare(fact="class.in_session", op=Op.EQ, value=False)
SENT_ALL_THE_SAME: Final = frozenset({"ok", "unverifiable"})


SPANISH: Final[Mapping[str, str]] = {
    "already_done": "Después de ese paso ya se hizo algo. Siga desde aquí.",
    "another_step": "La ayuda no está en este paso. Vuelva a leerla.",
    "answered_already": "Este paso ya tiene otra respuesta. Regrese primero.",
    "decided_already": "Usted ya dio su decisión sobre esto.",
    "finished": "Esta ayuda ya terminó.",
    "for_technician": "Un técnico responde este paso. Le avisaremos.",
    "no_approval_asked": "Aquí no hay nada que aprobar.",
    "nothing_before": "No hay un paso anterior al que regresar.",
    "too_old": "Esta ayuda es demasiado antigua para seguir. Trabaje en su solicitud.",
}


class CannotMove(ValueError):
    """The event does not fit where the run is; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def said(self, language: str) -> str:
        """The sentence in a language, in English where it is not known in that one."""
        return SPANISH[self.code] if language.partition("-")[0] == "es" else str(self)


def begin(book: Book, view: View, *, asked_of: By = "requester", dry: bool = False) -> Advance:
    """A run from its first step to the first one that waits."""
    state = State(
        frames=((book.main.id, book.main.start),),
        stage=Stage.ASKING,
        started_at=view.now,
        since=view.now,
        asked_of=asked_of,
        dry=dry,
    )
    walk = _Walk(book, state, view)
    walk.note("run_started", {"playbook": book.main.id, "hash": book.hash})
    walk.enter(book.main.start)
    return walk.ended()


def advance(book: Book, state: State, event: Event, view: View) -> Advance:
    """The run after one event. CannotMove, or DoesNotFit for an answer that is none.

    What came too late, or twice, changes nothing: a result of an earlier attempt, a look with no news.
    """
    walk = _Walk(book, state, view)
    match event:
        case Answer():
            walk.answered(event)
        case Skip():
            walk.skipped(event)
        case Back():
            walk.back(event)
        case Decide():
            walk.decided(event)
        case Result():
            walk.resulted(event)
        case Look():
            walk.looked()
        case Replied():
            walk.replied()
        case HandOver():
            walk.given_up(event)
        case TakeOver():
            walk.taken_over()
        case Cancel():
            walk.cancelled(event)
    return walk.ended()


class _Walk:
    """One event being worked into a run."""

    def __init__(self, book: Book, state: State, view: View) -> None:
        self.book = book
        self.state = state
        self.view = view
        self.log: list[Entry] = []
        self.effects: list[Effect] = []

    def ended(self) -> Advance:
        return Advance(self.state, tuple(self.log), tuple(self.effects))

    # Where we are.

    @property
    def now(self) -> datetime:
        return self.view.now

    @property
    def step(self) -> Any:
        playbook, step = self.state.frames[-1]
        return self.book[playbook].steps[step]

    @property
    def prefix(self) -> str:
        """What names of answers in the present playbook begin with."""
        return "".join(f"{step}." for _, step in self.state.frames[:-1])

    def change(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    def note(self, kind: str, detail: Mapping[str, Any] | None = None, seconds: float | None = None) -> None:
        self.log.append(Entry(kind, self.state.path, detail or {}, seconds))

    def look_up(self, name: str) -> Fact | Plain | None:
        kind, _, rest = name.partition(".")
        kept = {"answer": self.state.answers, "out": self.state.outs}.get(kind)
        if kept is None:
            return self.view.fact(name)
        value = kept.get(self.prefix + rest)
        return Plain(value) if value is not None else None

    def look_after(self, name: str) -> Fact | Plain | None:
        """The same after an action: what was so before it says nothing about what came of it."""
        found, acted_at = self.look_up(name), self.state.acted_at
        if not isinstance(found, Fact) or acted_at is None or not _is_asked(name):
            return found
        return found if found.as_of >= acted_at.replace(microsecond=0) else None

    def judge(self, condition: Condition, look: LookUp | None = None) -> bool | None:
        """Whether it holds; what was read for it is written down."""
        look = look or self.look_up
        answer = holds(condition, look, self.now)
        read: dict[str, Any] = {}
        for leaf in leaves(condition):
            found = look(leaf.fact)
            if isinstance(found, Fact):
                read[leaf.fact] = [found.value, found.as_of.isoformat(), found.source]
            elif found is None and leaf.fact in FACTS:
                read[leaf.fact] = None
        if read:
            self.note("fact_read", {"facts": read, "answer": answer})
        return answer

    # Moving.

    def enter(self, step_id: str) -> None:
        """Go to a step of the present playbook, and on through steps that need nobody."""
        target: str | None = step_id
        while target is not None:
            if len(self.state.visits) >= MOST_VISITS:
                self.hand_over(None, "this run had too many steps")
                return
            book, _ = self.state.frames[-1]
            self.change(
                frames=(*self.state.frames[:-1], (book, target)),
                since=self.now,
                until=None,
            )
            self.change(visits=(*self.state.visits, Visit(self.state.path, self.now)))
            target = self.arrive(self.step)

    def arrive(self, step: Any) -> str | None:
        """Do what the step says; the step to go to next, or None when the run waits here."""
        match step:
            case grammar.Question() | grammar.Info():
                self.ask(step)
                return None
            case grammar.Check():
                return self.check(step)
            case grammar.Branch():
                return self.branch(step)
            case grammar.Action():
                return self.act(step)
            case grammar.Wait():
                return self.wait(step)
            case grammar.Call():
                return self.call(step)
            case grammar.ApprovalStep():
                return self.seek_approval(step.approval)
            case grammar.Handoff():
                self.hand_over(step.handoff, None)
                return None
            case grammar.End():
                return self.end(step)
        raise AssertionError(step)

    def leave(self, edge: str) -> str | None:
        """Leave the present step by an edge; the step it leads to in the same playbook.

        With nowhere to go the run is handed over.
        """
        at = max(n for n, visit in enumerate(self.state.visits) if visit.path == self.state.path)
        visit = self.state.visits[at]
        left = replace(visit, left_at=self.now, edge=edge)
        self.change(visits=(*self.state.visits[:at], left, *self.state.visits[at + 1 :]))
        seconds = (self.now - visit.entered_at).total_seconds()
        self.note("left", {"edge": edge, "kind": grammar.kind_of(self.step)}, seconds)
        playbook, step_id = self.state.frames[-1]
        target = grammar.edge_targets(self.book[playbook], step_id).get(edge)
        if target is None:
            self.hand_over(None, f"there is no way on from {self.state.path}")
        return target

    def go(self, edge: str) -> None:
        if (target := self.leave(edge)) is not None:
            self.enter(target)

    def wait_here(self, stage: Stage, until: datetime | None) -> None:
        self.change(stage=stage, since=self.now, until=until)

    def in_time(self, kind: str) -> datetime:
        return self.now + span(self.step.timeout or TIMEOUTS[kind])

    # Kinds of step.

    def ask(self, step: grammar.Question | grammar.Info) -> None:
        self.wait_here(Stage.ASKING, self.in_time("question"))
        self.note("step_entered", {"audience": step.audience.value})
        if step.audience is Audience.TECHNICIAN and self.state.asked_of == "requester" and not self.state.dry:
            self.effects.append(WantsTechnician())

    def check(self, step: grammar.Check) -> str | None:
        answer = self.judge(step.check)
        if answer is not True and step.fresh and not self.state.dry and self.ask_for_facts(step.check):
            self.wait_here(Stage.FRESHENING, self.now + span(step.fresh))
            return None
        return self.leave(_three(answer))

    def branch(self, step: grammar.Branch) -> str | None:
        for n, case in enumerate(step.branch, start=1):
            if self.judge(case.if_) is True:
                return self.leave(f"case{n}")
        return self.leave("default")

    def wait(self, step: grammar.Wait) -> str | None:
        if self.state.dry:
            self.note("would_wait", {"for": step.wait.for_})
            return self.leave("done")
        if step.wait.until is not None and self.judge(step.wait.until) is True:
            return self.leave("done")
        if step.wait.until is not None:
            self.ask_for_facts(step.wait.until)
        self.wait_here(Stage.WAITING, self.now + span(step.wait.for_))
        self.note("step_entered", {"for": step.wait.for_})
        return None

    def call(self, step: grammar.Call) -> str | None:
        if len(self.state.frames) > DEEPEST_CALL:
            self.hand_over(None, "parts call each other too deeply")
            return None
        part = self.book[step.call]
        self.change(frames=(*self.state.frames, (part.id, part.start)))
        return part.start

    def end(self, step: grammar.End) -> str | None:
        if len(self.state.frames) > 1:
            returned = step.end.returns or "done"
            self.close_visit("returned")
            self.change(frames=self.state.frames[:-1])
            self.change(outs={**self.state.outs, self.state.path: returned})
            return self.leave(returned)
        self.close_visit("ended")
        code = step.end.model_dump(exclude_none=True)
        self.change(stage=Stage.ENDED, code=code, until=None)
        self.note("ended", code)
        return None

    def close_visit(self, edge: str) -> None:
        *earlier, last = self.state.visits
        self.change(visits=(*earlier, replace(last, left_at=self.now, edge=edge)))

    # Actions.

    def act(self, step: grammar.Action) -> str | None:
        """Everything that must be so before it is done; then it is asked for."""
        if (why := self.refusal(step)) is not None:
            self.note("action_refused", {"why": why})
            return self.leave("refused")
        if step.approval is not None and not self.is_approved(self.state.path):
            return self.seek_approval(step.approval)
        if step.risk is Risk.R2 and self.must_ask(step):
            self.wait_here(Stage.CONSENT, self.in_time("question"))
            self.note("consent_asked", {"risk": step.risk.value})
            return None
        return self.perform(step)

    def refusal(self, step: grammar.Action) -> str | None:
        """Why a rule forbids it; None if none does."""
        if step.requires is not None and self.judge(step.requires) is not True:
            return "requires"
        if step.risk in (Risk.R2, Risk.R3):
            testing = self.view.fact("school.testing")
            if testing is not None and testing.value is True:
                return "testing"
        if step.risk is Risk.R3 and step.approval is None and not self.came_by_approval():
            return "approval"
        return None

    def came_by_approval(self) -> bool:
        """Whether an approval step on the way here was left as approved."""
        return any(
            visit.edge == "approved" and isinstance(self.step_at(visit.path), grammar.ApprovalStep)
            for visit in self.state.visits
        )

    def must_ask(self, step: grammar.Action) -> bool:
        """An interruption needs the person's yes, unless the school is out of session."""
        return not self.state.dry and holds(_OUT_OF_SESSION, self.look_up, self.now) is not True

    def perform_if_allowed(self, step: grammar.Action) -> str | None:
        """Time has passed since it was asked for: the rules are asked once more."""
        if (why := self.refusal(step)) is not None:
            self.note("action_refused", {"why": why})
            return self.leave("refused")
        return self.perform(step)

    def perform(self, step: grammar.Action) -> str | None:
        attempt = self.state.attempt()
        wanted = Perform(self.state.path, attempt, step.action.value, dict(step.with_), step.risk.value)
        if self.state.dry:
            self.note("would_act", {"verb": wanted.verb, "with": dict(step.with_), "risk": wanted.risk})
            self.change(outs={**self.state.outs, self.state.path: "ok"})
            return self.leave("ok")
        self.change(outs={**self.state.outs, self.state.path: "sent"})
        self.wait_here(Stage.ACTING, self.in_time("action"))
        self.change(acted_at=self.now)
        self.note("action_requested", {"verb": wanted.verb, "attempt": attempt, "risk": wanted.risk})
        self.effects.append(wanted)
        return None

    def resulted(self, event: Result) -> None:
        if (
            self.state.stage is not Stage.ACTING
            or event.path != self.state.path
            or event.attempt != self.state.attempt()
        ):
            return
        step = self.step
        detail = {"state": event.state, "detail": event.detail, "attempt": event.attempt}
        self.note("action_resulted", {k: v for k, v in detail.items() if v is not None})
        self.change(outs={**self.state.outs, self.state.path: event.state})
        if event.state in SENT_ALL_THE_SAME:
            self.verify(step)
        elif event.state == "error" and event.attempt <= step.retry:
            self.change(attempts={**self.state.attempts, self.state.path: event.attempt + 1})
            if (target := self.perform_if_allowed(step)) is not None:
                self.enter(target)
        else:
            self.go("failed")

    def verify(self, step: grammar.Action) -> None:
        if step.verify is None or self.judge(step.verify.check, self.look_after) is True:
            self.go("ok")
            return
        self.ask_for_facts(step.verify.check)
        self.wait_here(Stage.VERIFYING, self.now + span(step.verify.within))

    # Approvals.

    def seek_approval(self, wanted: grammar.Approval) -> str | None:
        if self.state.dry:
            self.note("would_ask_approval", {"role": wanted.role.value, "count": wanted.count})
            step = self.step
            if isinstance(step, grammar.Action):
                return self.perform(step)
            return self.leave("approved")
        self.wait_here(Stage.APPROVAL, self.now + span(wanted.timeout))
        self.note("approval_asked", {"role": wanted.role.value, "count": wanted.count})
        return None

    def is_approved(self, path: str) -> bool:
        given = {d.by for d in self.state.decisions if d.path == path and d.approved}
        return len(given) >= int(self.step.approval.count)

    def decided(self, event: Decide) -> None:
        if self.state.stage is not Stage.APPROVAL:
            raise CannotMove("no_approval_asked", "Nothing waits for an approval here.")
        path = self.state.path
        if any(d.path == path and d.by == event.person_id for d in self.state.decisions):
            raise CannotMove("decided_already", "You have said your word on this already.")
        self.change(
            decisions=(
                *self.state.decisions,
                Decision(path, event.approved, event.person_id, event.reason),
            )
        )
        self.note("approved" if event.approved else "refused", {"reason": event.reason})
        if not event.approved:
            self.go("refused")
        elif self.is_approved(path):
            step = self.step
            if isinstance(step, grammar.Action):
                if (target := self.act(step)) is not None:
                    self.enter(target)
            else:
                self.go("approved")

    # What people say.

    def answered(self, event: Answer) -> None:
        if event.path != self.state.path or self.state.stage not in PERSONAL:
            self.repeated(event)
            return
        self.may_answer(event.by)
        if self.state.stage is Stage.CONSENT:
            self.consented(event)
            return
        step = self.step
        if event.way is not None:
            if event.way == "left_out" and not getattr(step, "optional", False):
                raise DoesNotFit(
                    "not_optional",
                    en="This cannot be left out. Answer, or say that you don't know.",
                    es="Esto no se puede omitir. Responda o indique que no lo sabe.",
                )
            self.note("answered", {"way": event.way, "by": event.by})
            self.go(self.open_way(step, event.way))
            return
        value = fitted(step, event.value)
        self.change(answers={**self.state.answers, self.state.path: value})
        self.note("answered", {"value": value, "by": event.by})
        self.go(edge_of(step, value))

    def open_way(self, step: Any, way: str) -> str:
        if isinstance(step, grammar.Info) and way == "dont_know":
            return "cannot"
        return way

    def may_answer(self, by: By) -> None:
        for_technician = self.state.stage is Stage.ASKING and self.step.audience is Audience.TECHNICIAN
        if by == "requester" and (for_technician or self.state.asked_of == "technician"):
            raise CannotMove("for_technician", "A technician answers this step. You will hear from the desk.")

    def repeated(self, event: Answer) -> None:
        """The same answer once more (a double tap) changes nothing; another one is refused."""
        left = next((v for v in reversed(self.state.visits) if v.path == event.path and v.left_at), None)
        if left is not None:
            if self.is_same(event, self.step_at(event.path), left):
                return
            raise CannotMove("answered_already", "This step has another answer already. Go back first.")
        is_sent = event.path == self.state.path and event.path in self.state.outs
        if is_sent and isinstance(self.step, grammar.Action) and event.value == "yes":
            return
        raise CannotMove("another_step", "The run is not at this step. Read the run again.")

    def is_same(self, event: Answer, step: Any, left: Visit) -> bool:
        if isinstance(step, grammar.Action):
            return bool(event.value == ("yes" if event.path in self.state.outs else "no"))
        if event.way is not None:
            return left.edge == self.open_way(step, event.way)
        return event.path in self.state.answers and self.state.answers[event.path] == _kept(step, event.value)

    def step_at(self, path: str) -> Any:
        frames = frames_to(self.book, path)
        playbook, step = frames[-1]
        return self.book[playbook].steps[step]

    def consented(self, event: Answer) -> None:
        if event.way is None and event.value not in ("yes", "no"):
            raise DoesNotFit("choice", en="Answer yes or no.", es="Responda sí (yes) o no (no).")
        agreed = event.value == "yes"
        self.note("consented" if agreed else "declined", {"by": event.by})
        if not agreed:
            self.go("refused")
        elif (target := self.perform_if_allowed(self.step)) is not None:
            self.enter(target)

    def skipped(self, event: Skip) -> None:
        if event.path != self.state.path or self.state.stage is not Stage.ASKING:
            if event.path not in self.state.skipped:
                raise CannotMove("another_step", "The run is not at this step. Read the run again.")
            return
        self.may_answer(event.by)
        self.change(skipped=(*self.state.skipped, event.path))
        self.note("not_relevant", {"reason": event.reason, "by": event.by})
        step = self.step
        if isinstance(step, grammar.Question):
            self.go("dont_know")
        else:
            self.go("didnt_help" if step.didnt_help else "cannot")

    def back(self, event: Back) -> None:
        """To the step answered last. What has changed something outside is not undone by going back."""
        if self.state.is_finished:
            raise CannotMove("finished", "This run has ended.")
        at = self.last_asked()
        if at is None:
            raise CannotMove("nothing_before", "There is no step to go back to.")
        asked = self.step_at(self.state.visits[at].path)
        if event.by == "requester" and (
            self.state.asked_of == "technician" or asked.audience is Audience.TECHNICIAN
        ):
            raise CannotMove("for_technician", "A technician answers that step. You will hear from the desk.")
        if any(self.has_changed_something(visit) for visit in self.state.visits[at:]):
            raise CannotMove(
                "already_done", "Something was already done after that step. Go on from here instead."
            )
        self.note("jumped_back", {"to": self.state.visits[at].path})
        self.return_to(at)

    def last_asked(self) -> int | None:
        """The last visit that asked somebody something and has been left."""
        for n in range(len(self.state.visits) - 1, -1, -1):
            visit = self.state.visits[n]
            if visit.left_at and isinstance(self.step_at(visit.path), grammar.Question | grammar.Info):
                return n
        return None

    def has_changed_something(self, visit: Visit) -> bool:
        if any(d.path == visit.path for d in self.state.decisions):
            return True
        step = self.step_at(visit.path)
        return isinstance(step, grammar.Action) and step.risk is not Risk.R0 and visit.path in self.state.outs

    def return_to(self, at: int) -> None:
        """Stand at an earlier visit as if nothing after it had been."""
        visit = self.state.visits[at]
        gone = {later.path for later in self.state.visits[at:]}
        reopened = tuple(
            replace(earlier, left_at=None, edge=None)
            if visit.path.startswith(f"{earlier.path}.")
            else earlier
            for earlier in self.state.visits[:at]
        )
        calls = {earlier.path for earlier in reopened if earlier.left_at is None}
        self.change(
            frames=frames_to(self.book, visit.path),
            visits=(*reopened, Visit(visit.path, self.now)),
            answers={path: value for path, value in self.state.answers.items() if path not in gone},
            skipped=tuple(path for path in self.state.skipped if path not in gone),
            outs={p: value for p, value in self.state.outs.items() if p not in gone and p not in calls},
            decisions=tuple(d for d in self.state.decisions if d.path not in gone),
            attempts={
                **self.state.attempts,
                **{p: self.state.attempts.get(p, 1) + 1 for p in gone if p in self.state.outs},
            },
            code={},
            why=None,
        )
        self.ask(self.step)

    # What the world says.

    def looked(self) -> None:
        """Time passed or facts came: what waits for either goes on."""
        if self.state.is_finished:
            return
        if self.now >= self.state.started_at + span(self.book.main.life):
            self.hand_over(None, "this run is too old")
            return
        late = self.state.until is not None and self.now >= self.state.until
        step = self.step
        match self.state.stage:
            case Stage.ASKING | Stage.CONSENT | Stage.APPROVAL | Stage.ACTING if late:
                self.note("timed_out", {"stage": self.state.stage.value})
                self.go("timeout")
            case Stage.FRESHENING:
                answer = holds(step.check, self.look_up, self.now)
                if answer is True or late or (answer is False and self.was_read_anew(step.check)):
                    self.judge(step.check)
                    self.go(_three(answer))
            case Stage.VERIFYING:
                if holds(step.verify.check, self.look_after, self.now) is True:
                    self.judge(step.verify.check, self.look_after)
                    self.go("ok")
                elif late:
                    self.judge(step.verify.check, self.look_after)
                    self.go("failed")
            case Stage.WAITING:
                self.waited(step, late=late)

    def waited(self, step: grammar.Wait, *, late: bool) -> None:
        wait = step.wait
        if wait.until is not None and holds(wait.until, self.look_up, self.now) is True:
            self.judge(wait.until)
            self.go("done")
        elif late:
            self.go("timed_out" if wait.until is not None or wait.reply else "done")

    def replied(self) -> None:
        if self.state.stage is Stage.WAITING and self.step.wait.reply:
            self.go("done")

    def was_read_anew(self, condition: Condition) -> bool:
        """Whether every fact of it that can be read anew has been, since the step was entered."""
        found = [self.view.fact(leaf.fact) for leaf in leaves(condition) if _is_asked(leaf.fact)]
        entered = self.state.since.replace(microsecond=0)
        return all(fact is not None and fact.as_of >= entered for fact in found)

    def ask_for_facts(self, condition: Condition) -> bool:
        """Ask for the facts of a condition that somebody can read anew; whether there are any."""
        names = {leaf.fact for leaf in leaves(condition)}
        wanted = tuple(sorted(filter(_is_asked, names)))
        if wanted:
            self.note("fact_asked", {"facts": list(wanted)})
            self.effects.append(Refresh(wanted))
        return bool(wanted)

    # Ends.

    def hand_over(self, to: grammar.HandTo | None, why: str | None) -> None:
        queue = to.queue if to else self.book.main.owner
        if self.state.visits and self.state.visits[-1].left_at is None:
            self.close_visit("handed_over")
        self.change(stage=Stage.HANDED_OVER, until=None, why=why)
        self.note("handed_over", {"queue": queue} | ({"why": why} if why else {}))
        effect = HandedOver(queue, to.priority, to.category, tuple(to.tags)) if to else HandedOver(queue)
        if not self.state.dry:
            self.effects.append(effect)

    def given_up(self, event: HandOver) -> None:
        if self.state.is_finished:
            raise CannotMove("finished", "This run has ended.")
        self.hand_over(None, event.reason)

    def taken_over(self) -> None:
        if self.state.stage in (Stage.ENDED, Stage.CANCELLED):
            raise CannotMove("finished", "This run has ended.")
        was_handed_over = self.state.stage is Stage.HANDED_OVER
        self.change(asked_of="technician")
        self.note("taken_over", {})
        if not was_handed_over:
            return
        if self.now >= self.state.started_at + span(self.book.main.life):
            raise CannotMove("too_old", "This run is too old to go on with. Work on its ticket.")
        at = self.last_asked()
        if at is None:
            raise CannotMove("nothing_before", "This run has no step to go on from. Work on its ticket.")
        if any(self.cannot_be_repeated(visit) for visit in self.state.visits[at:]):
            raise CannotMove("already_done", "Something was done that must not be done twice.")
        self.return_to(at)

    def cannot_be_repeated(self, visit: Visit) -> bool:
        step = self.step_at(visit.path)
        return isinstance(step, grammar.Action) and step.risk is Risk.R3 and visit.path in self.state.outs

    def cancelled(self, event: Cancel) -> None:
        if self.state.is_finished:
            raise CannotMove("finished", "This run has ended.")
        self.close_visit("cancelled")
        self.change(stage=Stage.CANCELLED, until=None, why=event.reason)
        self.note("cancelled", {"reason": event.reason, "by": event.by})


def frames_to(book: Book, path: str) -> tuple[tuple[str, str], ...]:
    """The playbooks and steps on the way to a path. KeyError."""
    frames: list[tuple[str, str]] = []
    playbook = book.main
    for step_id in path.split("."):
        frames.append((playbook.id, step_id))
        step = playbook.steps[step_id]
        if isinstance(step, grammar.Call):
            playbook = book[step.call]
    return tuple(frames)


def wakes_at(book: Book, state: State) -> datetime | None:
    """When the run must be looked at again by itself; None once it has ended."""
    if state.is_finished:
        return None
    ends = state.started_at + span(book.main.life)
    return min(state.until, ends) if state.until else ends


def step_of(book: Book, state: State) -> Any:
    """The step the run is at."""
    playbook, step = state.frames[-1]
    return book[playbook].steps[step]


def can_go_back(book: Book, state: State, view: View) -> bool:
    """Whether there is a step to go back to, and nothing in the way."""
    walk = _Walk(book, state, view)
    at = None if state.is_finished else walk.last_asked()
    return at is not None and not any(map(walk.has_changed_something, state.visits[at:]))


def _is_asked(name: str) -> bool:
    """Whether somebody can read a fact anew."""
    return name in FACTS and FACTS[name].keeper in ASKED


def _three(answer: bool | None) -> str:
    return "unknown" if answer is None else "true" if answer else "false"


def _kept(step: Any, value: Any) -> Any:
    try:
        return fitted(step, value) if isinstance(step, grammar.Question | grammar.Info) else value
    except DoesNotFit:
        return object()
