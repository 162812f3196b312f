"""Recordings of what goes to Runloop and to models: kept as vcrpy cassettes, replayed by meaning. Knows no pytest.

- ``traffic``: where requests come by, and whose they are
- ``takes``: a recording while it is made
- ``playing``: a cassette that is played
- ``files``: cassettes as files
- ``secrets``: taken out of all that is written or said
- ``exchange``: a request and its answer, which everything here passes on; ``places``: which hosts count
"""
