"""Webhooks out: receivers are told what happened. Start with `delivery`."""
