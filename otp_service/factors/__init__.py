"""Lasting second factors of a person: authenticators (TOTP) and backup codes."""
