"""How sandboxes are prepared, found, forked and resumed; ``preparation`` is the door. Knows no pytest."""
