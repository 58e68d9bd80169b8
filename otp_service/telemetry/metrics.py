"""Every Prometheus metric, declared once. No label holds personal data or an unbounded value.

`multiprocess_mode` says what a gauge tells where several processes share a page: of those that live, the sum, the worst
or the newest where it is of something that they share; each process's own, with its seat as `pid`, where it is not.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

VERIFICATIONS = Counter(
    "otp_verifications", "Verifications by application and what became of the start", ["application", "result"]
)
DELIVERIES = Counter(
    "otp_deliveries", "Deliveries by application and what became of the start", ["application", "result"]
)
APPROVAL_SECONDS = Histogram(
    "otp_approval_seconds",
    "From the start to the approval, by the gateway whose message was the last to go out",
    ["application", "gateway"],
    buckets=(5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600),
)
CHECKS = Counter("otp_checks", "Codes judged or refused, by application and outcome", ["application", "outcome"])
FACTORS = Counter(
    "otp_factors", "Changes of second factors, by application and what was done", ["application", "action"]
)
FACTOR_CHECKS = Counter(
    "otp_factor_checks", "Codes of second factors judged, by application, factor and outcome",
    ["application", "factor", "outcome"],
)  # fmt: skip
SENDS = Counter("otp_sends", "Messages handed to gateways", ["gateway", "channel", "status", "reason"])
GATEWAY_SECONDS = Histogram(
    "otp_gateway_seconds",
    "Time until a gateway answered that it sends a message, or did not",
    ["gateway"],
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 10),
)
GATEWAY_RUNNING = Gauge(
    "otp_gateway_running", "Sends that a gateway has not answered yet", ["gateway"], multiprocess_mode="livesum"
)
REFUSALS = Counter("otp_refusals", "Requests refused, by the code of the problem", ["code"])
LIMITED = Counter("otp_limited", "Requests refused by a limit", ["application", "limit"])
GUARDED = Counter("otp_guard", "Sends by what the pumping guard thought of them", ["application", "decision"])
ALARMS = Counter("otp_wrong_code_alarms", "Alarms of too many wrong codes", ["scope"])
SPENT = Counter(
    "otp_spent_roubles", "Money spent on messages, by the prices of the settings", ["application", "gateway"]
)
NOT_BELIEVED = Counter(
    "otp_not_believed", "Prices and parts that a gateway told and that cannot be", ["gateway", "what"]
)
BUDGET = Gauge(
    "otp_budget_roubles",
    "Budget of a day, where the settings have one",
    ["application"],
    multiprocess_mode="livemostrecent",
)
BUDGETS = Counter("otp_budget_days", "Days on which a budget was nearly spent, or spent", ["application", "what"])
KEY_END = Gauge(
    "otp_api_key_end_seconds",
    "Moment at which the next API key in use ends, in seconds since the epoch; 0 for none",
    ["application"],
    multiprocess_mode="livemostrecent",
)
REQUESTS = Counter("otp_http_requests", "HTTP requests by route and status", ["route", "status"])
SECONDS = Histogram(
    "otp_http_request_seconds",
    "Time to answer, by route",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 12, 30),
)
LOOP_LAG_SECONDS = Histogram(
    "otp_loop_lag_seconds",
    "How late the event loop comes to what is due, looked at 20 times a second",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2.5),
)
HASH_PLACES = Gauge(
    "otp_hash_places_free", "Places left in the hash pool; at 0 a check hears 503", multiprocess_mode="liveall"
)
HASH_WAIT_SECONDS = Histogram(
    "otp_hash_wait_seconds",
    "Time for which a computation of argon2id waited for a thread",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
HASH_SECONDS = Histogram(
    "otp_hash_seconds",
    "Time of one computation of argon2id",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1),
)
STORAGE_SECONDS = Histogram(
    "otp_storage_seconds",
    "Time until Redis answered, by script or command, waiting for a connection included",
    ["operation"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1),
)
STORAGE_FAULTS = Counter("otp_storage_faults", "Calls that Redis did not answer, or not as asked", ["operation"])
DELIVERY_SECONDS = Histogram(
    "otp_delivery_seconds",
    "From the gateway's acceptance to the delivery, as it tells",
    ["gateway", "channel"],
    buckets=(1, 2, 5, 10, 15, 30, 60, 120, 300, 600),
)
ENDS = Counter("otp_messages_final", "Messages whose end became known", ["gateway", "channel", "status"])
QUESTIONS = Counter(
    "otp_gateway_questions", "Questions about messages; reason is empty where it answered", ["gateway", "reason"]
)
PUSHES = Counter("otp_callbacks", "States that were pushed to us: news, or nothing new, or nobody's", ["result"])
FAILOVERS = Counter("otp_failovers", "Messages sent instead of one that did not arrive", ["channel", "why"])
ROUTE_CHOICES = Counter(
    "otp_route_choices",
    "Starts for which a route that learns chose who is asked first, or would have",
    ["channel", "gateway", "order", "reason", "differs"],
)
UNREACHED = Counter(
    "otp_unreached", "Verifications in which a channel did not reach the person", ["application", "channel"]
)
CIRCUIT_OPEN = Gauge(
    "otp_circuit_open", "1 while a gateway is left alone because it failed", ["gateway"], multiprocess_mode="livemax"
)
BALANCE = Gauge(
    "otp_gateway_balance",
    "What is left on the account, as the provider counts",
    ["gateway"],
    multiprocess_mode="livemostrecent",
)
WEBHOOKS = Counter("otp_webhook_deliveries", "Events told to receivers, by what came of it", ["application", "result"])
WEBHOOK_BACKLOG = Gauge(
    "otp_webhook_backlog",
    "Events that receivers were not told of yet",
    ["application"],
    multiprocess_mode="livemostrecent",
)
WEBHOOK_PARKED = Gauge(
    "otp_webhook_parked",
    "Events that receivers refused, kept for a replay",
    ["application"],
    multiprocess_mode="livemostrecent",
)
WEBHOOK_DISABLED = Gauge(
    "otp_webhook_disabled",
    "Receivers that are told nothing until a replay",
    ["application"],
    multiprocess_mode="livemostrecent",
)
BACKGROUND_ERRORS = Counter(
    "otp_background_errors", "Times that a loop beside the requests failed; it goes on after a moment", ["loop"]
)
UNREADABLE = Counter("otp_unreadable", "Records in Redis that could not be read, by the kind of their key", ["kind"])
JOBS = Counter("otp_jobs", "Due jobs that were claimed", ["kind"])
JOB_LATENESS = Gauge(
    "otp_due_oldest_seconds", "How late the latest job of the last round was", multiprocess_mode="livemax"
)
WORKER_ROUND_AT = Gauge(
    "otp_worker_last_round_seconds", "Seconds since the worker last looked for due jobs", multiprocess_mode="liveall"
)
"""Stored as a moment on the clock that all processes of the machine share; the page shows how long ago it was. A
process that hangs could not say so itself."""
BUILD = Gauge("otp_build_info", "1, with what runs here", ["version", "python"], multiprocess_mode="livemostrecent")
