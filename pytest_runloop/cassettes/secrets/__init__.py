"""Secrets: taken out when something is written or said, and put back when it is played.

- ``scrubbing``: does it; ``known``: what counts; ``searching``, ``forms``, ``packed``: found wherever they are
- ``fields``, ``places``, ``events``, ``shellwords``: found by where they stand; ``tars``: in archives
"""
