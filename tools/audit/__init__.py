"""Verify journal and audit, anchor them, and answer the daily questions from them. Reads only."""
