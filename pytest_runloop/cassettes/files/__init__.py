"""Cassettes as files.

- ``names``: where they lie; ``document``, ``atomic``: read and written; ``merging``: what stays of an older one
- ``layout``, ``plain``: as text, ours or vcrpy's; ``foreign``: vcrpy's objects; ``serializer``: for plain vcrpy
- ``bodies``, ``structure``, ``multipart``: contents as something to read
"""
