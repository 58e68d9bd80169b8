from tests.cli.conftest import commands

__all__ = ["commands"]
