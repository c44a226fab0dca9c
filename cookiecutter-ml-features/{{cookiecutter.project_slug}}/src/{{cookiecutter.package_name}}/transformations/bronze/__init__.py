"""Bronze needs no code: rows are kept as received. What arrives is said by the contracts in `contracts/bronze`."""
