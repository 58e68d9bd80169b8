from tests.gateways.conftest import stub

__all__ = ["stub"]
