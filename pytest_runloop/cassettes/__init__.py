"""Recordings of what goes to Runloop and to models: kept as vcrpy cassettes, replayed by meaning. Knows no pytest."""
