"""A recording while it is made.

- ``notes``, ``taking``: one request, and all; ``polls``, ``builds``: what can be left out; ``ids``: names for what a
  server numbers
- ``compare``: whether two recordings mean the same
"""
