"""Telegram Gateway (gatewayapi.telegram.org): `client` (wire form and methods) and `gateway` on top."""
