"""Which cassettes a run replays or records, and what becomes of them. Knows no pytest."""
