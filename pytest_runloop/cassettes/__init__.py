"""Recordings of what goes to Runloop and to models: kept as vcrpy cassettes, replayed by meaning. Knows no pytest.

Where traffic comes by, and whose it is:

- ``studio``: played, taken down, refused or let through; ``jobs``: a cassette at work; ``places``: which hosts count
- ``transports``, ``streams``, ``tls``: httpx and httpx2; ``other_clients``: all others; ``guard``: past all of them
- ``hooks``, ``foreign``: the user's configuration of vcrpy, and vcrpy's objects; ``patches``: put on and taken off
- ``exchange``: a request and its answer, which everything here passes on

Playing:

- ``replay``: the cassette that is played; ``shelf``: what is on it, by meaning; ``patience``: time that is left out
- ``meaning``, ``volatile``: what a request means, whatever is made up anew; ``contents``, ``uploads``: of its body
- ``life``: who looks and who changes; ``answers``: volatile values to and fro
- ``mismatch``, ``nearness``, ``words``, ``commandline``: what is said when nothing answers

Recording:

- ``notes``, ``taking``: one request, and all, while they happen; ``polls``, ``beginnings``: waits that can be left out
- ``ids``: names for what a server numbers; ``merging``: what an older recording has, as it stands there
- ``compare``: whether two recordings mean the same; ``library``: opened, written and compared when a test has passed

Files:

- ``names``: where they lie; ``document``, ``files``: read and written; ``layout``, ``plain``: as text, ours or vcrpy's
- ``bodies``, ``structure``, ``multipart``: contents as something to read; ``serializer``: for plain vcrpy

Secrets:

- ``scrubbing``: taken out and put back; ``secrets``: what counts; ``searching``, ``forms``, ``packed``: found anywhere
- ``secret_fields``, ``secret_places``, ``secret_events``, ``shellwords``: found by where they stand
"""
