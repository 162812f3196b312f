"""The only package that imports ``agents`` and ``runloop_api_client``; it implements ``sandbox.boundary`` with them.

Import its modules inside functions: they cost 1.5 s and are needed only once a sandbox is wanted.
"""
