"""LinOTP: its HTTP SMS provider, which speaks as privacyIDEA's does (both come from one root)."""

from __future__ import annotations

from msgspec.structs import replace

from otp_service.api.hooks import privacyidea

KIND = replace(privacyidea.KIND, name="linotp")
