"""What was received and has no column: kept beside the row as a JSON object."""

from __future__ import annotations


def others_as_object(places: str, condition: str, name: str, value: str) -> str:
    """Return SQL for a JSON object of the entries that no column has, in their order; NULL where there are none.

    Args:
        places: SQL of the places of all entries. Those in the array `_found` are known and left out.
        condition: SQL that is true for entries to be kept, of `place`.
        name: SQL of an entry's name, of `place`.
        value: SQL of its text, of `place`.
    """
    # A map for each entry: within one map, names may not repeat.
    entry = f"to_json(map({name}, {value}))"
    left = f"filter({places}, place -> NOT array_contains(_found, place) AND {condition})"
    entries = f"transform({left}, place -> substring({entry}, 2, length({entry}) - 2))"
    return f"CASE WHEN size({left}) > 0 THEN concat('{{', array_join({entries}, ','), '}}') END"
