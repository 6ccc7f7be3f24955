"""Fixtures of the sandbox's tests."""

from tests.sandbox.hubspot_server import hs, hubspot_socket

__all__ = ["hs", "hubspot_socket"]
