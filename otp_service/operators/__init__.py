"""Accounts of those who work with the console, and how they sign in."""
