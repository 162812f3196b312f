"""A local server that speaks Runloop's REST API and runs devboxes on this computer.

It stands on its own: nothing in here knows pytest, the plugin around it, or any SDK.
"""
