"""Deliveries: codes that somebody else made, and judges. Start with `deliveries`."""
