"""Where traffic comes by, and whose it is: played, taken down, refused or let through.

- ``studio``: decides; ``jobs``: a cassette at work; ``library``: its file, opened, written and compared
- ``transports``, ``streams``, ``tls``: httpx and httpx2; ``other_clients``: all others; ``guard``: past all of them
- ``hooks``: the user's configuration of vcrpy; ``patches``: put on and taken off; ``patience``: time that is left out
"""
