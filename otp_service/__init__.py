"""Self-hosted one-time passwords by SMS: request a code, deliver it, verify it once.

Start reading at `verifications.py`; docs/architecture.md has the map.
"""

__version__ = "0.2.0"
