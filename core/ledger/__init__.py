"""The ledger: everything we own and remember, as the fold of the journal (L9 to L11, L13)."""
