"""From typed bronze rows to clean ones. Casting, checks, quarantine and deduplication follow from the contracts."""
