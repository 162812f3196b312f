"""Devboxes through the OpenAI Agents SDK: the handle a test holds and everything it needs.

Only the package ``runloop`` in here imports ``agents`` or ``runloop_api_client``.
"""
