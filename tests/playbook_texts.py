"""Small playbooks for tests, in order and proved, so that they can be published."""

from __future__ import annotations

SMALL = """
schema: playbook/1
id: {id}
title: {{en: A small playbook, es: Un libro pequeño}}
summary: {{en: Asks twice, es: Pregunta dos veces}}
owner: desk
applies_to: {{words: {{en: [frobnicator]}}}}
start: first
way_out: over
steps:
  first:
    question: single
    text: {{en: Is it on, es: Está encendido}}
    options:
      - {{value: yes, label: {{en: "Yes", es: "Sí"}}, next: second}}
      - {{value: no, label: {{en: "No", es: "No"}}, next: agree}}
  second:
    question: photo
    text: {{en: Show it, es: Muéstrelo}}
    optional: true
    next: good
  agree:
    approval: {{role: technician}}
    text: {{en: May it be switched on, es: Se puede encender}}
    approved: good
    refused: over
  good: {{end: {{cause: other, fix: self.guided, outcome: solved_confirmed}}, text: {{en: Good, es: Bien}}}}
  over: {{handoff: {{queue: desk}}, text: {{en: A technician comes, es: Viene un técnico}}}}
examples:
  - name: it is on, with a photo
    answers: {{first: yes, second: [one]}}
    path: [first, second, good]
    ends: {{cause: other, fix: self.guided, outcome: solved_confirmed}}
  - name: it is on, without a photo
    answers: {{first: yes, second: left_out}}
    ends: {{cause: other, fix: self.guided, outcome: solved_confirmed}}
  - name: it is off, and may be switched on
    answers: {{first: no}}
    decisions: {{agree: true}}
    ends: {{cause: other, fix: self.guided, outcome: solved_confirmed}}
  - {{name: it may not be, answers: {{first: no}}, decisions: {{agree: false}}, ends: {{handoff: desk}}}}
  - {{name: nobody says, answers: {{first: no}}, ends: {{handoff: desk}}}}
"""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


def small(playbook: str = "small") -> str:
    """A playbook that asks, takes a photo, and wants an approval."""
    return SMALL.format(id=playbook)
