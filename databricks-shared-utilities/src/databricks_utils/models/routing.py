"""Which model answers for whom while two are compared.

The split belongs to the entity and not to the request: traffic shares of a serving endpoint draw anew for each request,
so that one customer would meet both models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from databricks_utils.contracts import key_items
from databricks_utils.errors import InvalidInput

_BUCKETS = 2**64


def asks_challenger(
    entity: Sequence[object], *, share: float, experiment: str, data_types: Sequence[str] | None = None
) -> bool:
    """Say whether the challenger answers for an entity.

    An entity keeps its model for as long as the experiment lasts, in every process, and whether its key was read by
    Python, numpy, pandas or Spark. A greater share takes entities over from the champion and gives none back. Another
    experiment splits anew.

    Args:
        entity: Values of the key; (1, 12) and (11, 2) are two entities, and 1, "1", True and Decimal("1") are four.
        share: Part of the entities that the challenger gets, 0 to 1.
        experiment: Name of the comparison.
        data_types: Declared types of the key's columns; a value of another type is refused then.

    Raises:
        InvalidInput: The share is no part, the experiment has no name, or the entity has a value that no key can have:
            NULL, floating point, a moment without a time zone, or one of another type than declared.
    """
    if not 0 <= share <= 1:
        raise InvalidInput(f"{share} is no share", where=f"experiment {experiment}", hint="Write 0 to 1")
    if not experiment.strip():
        hint = "Name it, so that the next one splits anew"
        raise InvalidInput("The experiment has no name", where="experiment", hint=hint)
    text = json.dumps([experiment, *key_items(entity, data_types, where="entity")], separators=(",", ":"))
    bucket = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return bucket < share * _BUCKETS
