"""What a body of the scoring service asks: one entity, and the moment that is meant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

#: Opening brackets that a body may have; a request has one.
_DEEPEST = 20


class InvalidRequest(ValueError):
    """A body that asks nothing which could be answered."""


@dataclass(frozen=True)
class Request:
    """What is asked.

    Args:
        entity: Value of its key.
        at: The moment, in UTC; now where none is given.
    """

    entity: int
    at: datetime | None = None


def parse_request(body: bytes, key: str) -> Request:
    """Return what a body asks: one JSON object of the key and, if wanted, `at`.

    Args:
        body: As it was received.
        key: The key of the entities, such as `household_id`; its values are whole numbers of 64 bits.

    Raises:
        InvalidRequest: It is no UTF-8, no JSON as RFC 8259 has it, or another object.
    """
    example = f'Send {{"{key}": 113}}'
    if body.count(b"[") + body.count(b"{") > _DEEPEST:
        raise InvalidRequest(f"Too many brackets. {example}")
    try:
        asked = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except InvalidRequest:
        raise
    except ValueError as error:
        raise InvalidRequest(f"This is no JSON: {error}. {example}") from error
    if not isinstance(asked, dict) or key not in asked or not asked.keys() <= {key, "at"}:
        raise InvalidRequest(f'{example}, and "at" beside it where another moment than now is meant')
    entity = asked[key]
    if type(entity) is not int or not -(2**63) <= entity < 2**63:
        raise InvalidRequest(f"{key} is a whole number of 64 bits, and no text")
    return Request(entity, _moment(asked["at"]) if "at" in asked else None)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidRequest("A key stands there twice")
    return found


def _refuse_constant(text: str) -> None:
    raise InvalidRequest(f"{text} is no number of JSON")


def _moment(text: object) -> datetime:
    try:
        # Python 3.10 does not know the Z.
        at = datetime.fromisoformat(str(text).replace("Z", "+00:00")) if isinstance(text, str) else None
        moment = at.astimezone(timezone.utc) if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise InvalidRequest('Write the moment with its offset, {"at": "2017-12-01T00:00:00+00:00"}')
    return moment
