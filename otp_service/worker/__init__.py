"""Runs due jobs: polls, fail-overs, ends of lives, webhooks."""
