"""Proving that a person holds a phone: start, check, resend, cancel (verifications), and reading (lookup)."""
