"""Photos as answers: small, of a known kind, seen by whose run it is and by the desk."""

from __future__ import annotations

import base64
import binascii
import secrets
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import Field
from sqlalchemy import delete, func, select

from service.core.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge
from service.core.fields import Input
from service.core.idempotency import once
from service.core.settings import settings
from service.core.work import Eyes, Work
from service.playbooks import access
from service.playbooks.models import RunPhoto
from service.playbooks.queries import run_for_update, run_view

LARGEST: Final = 700_000
MOST: Final = 20
SIGNS: Final = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"RIFF": "image/webp",
}


class AddPhoto(Input):
    """A JPEG, PNG or WebP picture of at most 700 kB, as base64."""

    content: Annotated[str, Field(min_length=4, max_length=LARGEST * 4 // 3 + 8)]


@once(RunPhoto)
async def add_photo(work: Work, run_id: int, photo: AddPhoto) -> RunPhoto:
    """Keep a photo for an answer; the answer then names its `key`."""
    run, ticket = await run_for_update(work, run_id)
    if access.side_of(work.actor, run, ticket) is None:
        raise Forbidden("You may see this run, but not answer in it.")
    if run.ended_at is not None:
        raise Conflict("This run has ended.")
    content = _decoded(photo.content)
    there = await work.session.scalar(
        select(func.count()).select_from(RunPhoto).where(RunPhoto.run_id == run_id)
    )
    if (there or 0) >= MOST:
        raise Conflict(f"A run keeps at most {MOST} photos.")
    kept = RunPhoto(
        run_id=run_id,
        key=secrets.token_hex(8),
        media_type=_kind(content),
        content=content,
        at=work.now,
        actor_id=work.actor.person_id,
    )
    work.session.add(kept)
    await work.session.flush()
    return kept


def _decoded(content: str) -> bytes:
    try:
        decoded = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid.field("content", "Send the picture as base64.", "bad_base64") from None
    if len(decoded) > LARGEST:
        raise TooLarge("A photo has at most 700 kB. Make it smaller, then send it again.")
    return decoded


def _kind(content: bytes) -> str:
    for sign, media_type in SIGNS.items():
        if content.startswith(sign) and (sign != b"RIFF" or content[8:12] == b"WEBP"):
            return media_type
    raise Invalid.field("content", "Send a JPEG, PNG or WebP picture.", "bad_picture")


async def forget_photos(work: Work) -> None:
    """Delete what is older than the district keeps it."""
    before = work.now - timedelta(days=settings().photo_days)
    await work.session.execute(delete(RunPhoto).where(RunPhoto.at < before))


async def photo_by_key(eyes: Eyes, run_id: int, key: str) -> Any:
    """A photo with its bytes, for those who see the run."""
    await run_view(eyes, run_id)
    query = select(RunPhoto.media_type, RunPhoto.content).where(
        RunPhoto.run_id == run_id, RunPhoto.key == key
    )
    row = (await eyes.db.execute(query)).one_or_none()
    if row is None:
        raise NotFound("There is no such photo in this run.")
    return row
