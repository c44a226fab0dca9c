"""From silver to the star schema and its aggregates."""
