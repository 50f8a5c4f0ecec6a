"""The settings of a connection, held against what its vendor's adapter declares. Pure; no error repeats a
value, for any of them may be a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from integrations.mdm import reading
from integrations.mdm.google_account import service_account
from integrations.mdm.port import BadRequest, Setting
from service.core.errors import FieldError, Invalid

LONGEST: Final = 500
LONGEST_JSON: Final = 20_000


@dataclass(frozen=True, slots=True)
class Settled:
    """What is kept in the open and what is sealed. `changed` names what is not as it was."""

    plain: dict[str, str]
    secrets: dict[str, str]
    changed: frozenset[str]


def settled(
    declared: Sequence[Setting],
    sent: Mapping[str, str | None],
    plain: Mapping[str, str],
    secrets: Mapping[str, str],
) -> Settled:
    """`sent` laid over what is kept (`plain`, `secrets`); what is not sent stays, null and "" take away.

    Invalid, with `settings.<key>` for each field: a name that is not declared, a required one that is
    missing, a value that does not fit. A secret goes only where it was meant to: under another address every
    secret must be sent again.
    """
    wrong = [
        FieldError(f"settings.{_shown(key)}", "unknown", "This vendor has no such setting.")
        for key in sorted(sent.keys() - {setting.key for setting in declared})
    ]
    kept = {**plain, **secrets}
    values: dict[str, str] = {}
    for setting in declared:
        stays = setting.key in kept and setting.key not in sent
        try:
            value = kept[setting.key] if stays else fitting(setting, sent.get(setting.key))
        except ValueError as why:
            wrong.append(FieldError(f"settings.{setting.key}", "invalid", str(why)))
            continue
        if value is not None:
            values[setting.key] = value
        elif setting.required:
            wrong.append(
                FieldError(f"settings.{setting.key}", "required", f"{setting.label}: this is needed.")
            )
    wrong += _to_be_sent_again(declared, sent, kept, values)
    if wrong:
        raise Invalid("Some of the settings do not fit.", fields=wrong)
    hidden = {setting.key for setting in declared if setting.secret}
    return Settled(
        {key: value for key, value in values.items() if key not in hidden},
        {key: value for key, value in values.items() if key in hidden},
        frozenset(key for key in values.keys() | kept.keys() if values.get(key) != kept.get(key)),
    )


def fitting(setting: Setting, value: str | None) -> str | None:
    """A value as it is kept: without blanks around it (a secret: without line ends), an address normalised;
    the default for nothing. ValueError, fit to be shown, where it does not fit.
    """
    text = (value or "").strip("\r\n" if setting.secret else None)
    if not text.strip():
        return setting.default
    longest = LONGEST_JSON if setting.kind == "json" else LONGEST
    if len(text) > longest:
        raise ValueError(f"{setting.label}: at most {longest:,} characters.")
    if setting.kind != "json" and not text.isprintable():
        raise ValueError(f"{setting.label}: this holds characters that are not text.")
    if setting.choices:
        return _choice(setting, text)
    return _OF_KIND.get(setting.kind, _any)(setting, text)


def _any(setting: Setting, text: str) -> str:
    return text


def _choice(setting: Setting, text: str) -> str:
    if text not in setting.choices:
        raise ValueError(f"{setting.label}: one of {', '.join(setting.choices)}.")
    return text


def _url(setting: Setting, text: str) -> str:
    try:
        return reading.base_url(text)
    except ValueError:
        raise ValueError(
            f"{setting.label}: this is not the address of a server, such as https://mdm.example.org."
        ) from None


def _email(setting: Setting, text: str) -> str:
    address = reading.address(text)
    if address is None:
        raise ValueError(f"{setting.label}: this is not an e-mail address.")
    return address


def _json(setting: Setting, text: str) -> str:
    try:
        service_account(text)
    except BadRequest as why:
        raise ValueError(f"{setting.label}: {why}") from None
    return text


_OF_KIND: Final = {"url": _url, "email": _email, "json": _json}


def _to_be_sent_again(
    declared: Sequence[Setting],
    sent: Mapping[str, str | None],
    kept: Mapping[str, str],
    now: Mapping[str, str],
) -> list[FieldError]:
    addresses = [setting.key for setting in declared if setting.kind == "url"]
    if not kept or all(kept.get(key) == now.get(key) for key in addresses):
        return []
    return [
        FieldError(
            f"settings.{setting.key}",
            "required",
            f"{setting.label}: the address is another one, so this must be entered again.",
        )
        for setting in declared
        if setting.secret and setting.key in kept and not (sent.get(setting.key) or "").strip()
    ]


def _shown(key: str) -> str:
    """A name that is not ours, cut to what may be shown of it."""
    return key[:40] if key.isidentifier() else "?"
