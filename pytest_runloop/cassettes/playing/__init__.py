"""A cassette that is played.

- ``replay``: the cassette; ``shelf``: what is on it, by meaning
- ``beginnings``, ``changes``: the several ways in which one thing can begin, and end
- ``meaning``, ``volatile``: what a request means, whatever is made up anew; ``contents``, ``uploads``: of its body
- ``life``: who looks and who changes; ``answers``: volatile values to and fro
- ``mismatch``, ``nearness``, ``words``, ``commandline``: what is said when nothing answers
"""
