"""Every Prometheus metric, declared once. No label holds personal data or an unbounded value."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

VERIFICATIONS = Counter(
    "otp_verifications", "Verifications by application and what became of the start", ["application", "result"]
)
CHECKS = Counter("otp_checks", "Codes judged or refused, by application and outcome", ["application", "outcome"])
SENDS = Counter("otp_sends", "Messages handed to gateways", ["gateway", "channel", "status", "reason"])
REQUESTS = Counter("otp_http_requests", "HTTP requests by route and status", ["route", "status"])
SECONDS = Histogram(
    "otp_http_request_seconds",
    "Time to answer, by route",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 12, 30),
)
HASH_PLACES = Gauge("otp_hash_places_free", "Places left in the hash pool; at 0 a check hears 503")
WORKER_LAG = Gauge("otp_worker_last_round_seconds", "Seconds since the worker last looked for due jobs")
