"""Every key in Redis: its name, type, life, and whether it holds personal data.

`{p}` is the partition's hash tag: all keys of one phone share a slot, so one script may touch them together. A *lane*
is a slot with due jobs and an outbox of its own: each partition, `gateways`, and `app:<name>` for each application.
No key name and no value holds a phone or a code in clear.
"""

from __future__ import annotations

from otp_service.domain.value import Value


class Kind(Value):
    """One kind of key, for the catalogue in docs/operations.md and the test that compares it with a live Redis."""

    pattern: str
    type: str
    life: str
    personal: str
    purpose: str


CATALOGUE = (
    Kind("otp:install", "hash", "for ever", "no", "number of partitions, wrapped index key and retired keys"),
    Kind("otp:v:{p}:<id>", "hash", "expiry + retention", "phone, encrypted", "a verification with its messages"),
    Kind("otp:pause:{p}:<phone index>", "hash", "end of pause + 10 min", "no", "when a phone may be sent to again"),
    Kind("otp:fails:{p}:<phone index>", "hash", "until a success", "no", "consecutive wrong codes of a phone"),
    Kind("otp:phone:{p}:<phone index>", "sorted set", "expiry + retention", "no", "ids of a phone's verifications"),
    Kind("otp:sub:{p}:<subject index>", "hash", "until removed", "subject, phones, encrypted", "factors of a person"),
    Kind("otp:sop:{p}:<keyed hash>", "hash", "24 h", "no", "an Idempotency-Key of a factor request, with its verdict"),
    Kind("otp:decoy:{p}:<subject index>", "hash", "24 h", "no", "wrong codes for factors that are not there"),
    Kind("otp:due:{lane}", "sorted set", "while jobs are due", "no", "jobs of a lane by the time they are due"),
    Kind("otp:out:{lane}", "stream", "until passed on", "phone, encrypted", "events on their way to the logs"),
    Kind("otp:events:{app:<name>}", "stream", "events_seconds", "phone, encrypted", "what happened in an application"),
    Kind("otp:eventstate:{app:<name>}", "hash", "for ever", "no", "last sequence number; how far outboxes were read"),
    Kind("otp:hook:{app:<name>}:<id>", "hash", "for ever", "no", "how far a webhook endpoint was told, how it fails"),
    Kind("otp:hookopen:{app:<name>}:<id>", "sorted set", "until told", "no", "events it is being told of, or refused"),
    Kind("otp:gateway:{gateways}:<name>", "hash", "for ever", "no", "a gateway's circuit and balance"),
    Kind("otp:heard:{gateways}:<name>", "list", "7 days", "no", "whether reports of the newest messages came in time"),
    Kind("otp:ends:{gateways}:<name>", "list", "7 days", "no", "how the newest messages of a gateway ended"),
    Kind("otp:turns:<account hash>", "sorted set", "30 s", "no", "who is asking an account about messages"),
    Kind("otp:sms:<hash>", "string", "20 min", "no", "a provider's id of a message → the verification, for callbacks"),
    Kind("otp:idem:<keyed hash>", "hash", "24 h", "no", "an Idempotency-Key: fingerprint and verification id"),
    Kind(
        "otp:guesses:{p}:<phone index>:<limit>",
        "hash",
        "1 window after the last event",
        "no",
        "wrong codes of a phone in an application in 60 steps, counted with the attempt",
    ),
    Kind("otp:limit:<keyed hash>", "hash", "1 window after the last event", "no", "events of a limit in 60 steps"),
    Kind(
        "otp:proved:{p}:<phone index>", "string", "180 days (verified_days)", "no", "the right code came from it once"
    ),
    Kind("otp:tally:<keyed hash>", "hash", "5 memories after the last", "no", "faded counts of sends and approvals"),
    Kind("otp:places:<keyed hash>", "list", "1 memory after the last", "no", "last places asked for in a number block"),
    Kind("otp:fraud:{app:<name>}", "hash", "31 days after the last", "no", "what the pumping guard found, by day"),
    Kind("otp:alarm:{lane}", "string", "600 s (wrong_codes_memory_seconds)", "no", "there are too many wrong codes"),
    Kind("otp:spending:{app:<name>}", "hash", "63 days after the last", "no", "micro-roubles spent, by day"),
    Kind("otp:clientid:<account hash>", "string", "for ever", "no", "the last client id drawn for a provider account"),
    Kind("otp:{apikeys}", "hash", "for ever", "no", "id of each API key → its SHA-256"),
    Kind(
        "otp:{apikeys}:<SHA-256>",
        "hash",
        "until revoked, or its end + 30 d",
        "no",
        "an API key: what it may do, its times",
    ),
    Kind("otp:audit", "stream", "`retention.audit_seconds`", "no", "the audit log"),
)

INSTALL = "otp:install"
SUBJECTS = "otp:sub:*"
"""All of them, for what goes through everything."""
API_KEYS = "otp:{apikeys}"
AUDIT = "otp:audit"
GATEWAYS = "gateways"
"""The lane of what concerns gateways."""


def application_lane(application: str) -> str:
    return f"app:{application}"


def verification(partition: int, verification_id: str) -> str:
    return f"otp:v:{{{partition}}}:{verification_id}"


def pause(partition: int, phone_index: str) -> str:
    return f"otp:pause:{{{partition}}}:{phone_index}"


def fails(partition: int, phone_index: str) -> str:
    return f"otp:fails:{{{partition}}}:{phone_index}"


def phone(partition: int, phone_index: str) -> str:
    return f"otp:phone:{{{partition}}}:{phone_index}"


def subject(partition: int, subject_index: str) -> str:
    return f"otp:sub:{{{partition}}}:{subject_index}"


def subject_op(partition: int, name: str) -> str:
    return f"otp:sop:{{{partition}}}:{name}"


def decoy(partition: int, subject_index: str) -> str:
    return f"otp:decoy:{{{partition}}}:{subject_index}"


def due(lane: str) -> str:
    return f"otp:due:{{{lane}}}"


def outbox(lane: str) -> str:
    return f"otp:out:{{{lane}}}"


def events(application: str) -> str:
    return f"otp:events:{{{application_lane(application)}}}"


def event_state(application: str) -> str:
    return f"otp:eventstate:{{{application_lane(application)}}}"


def hook(application: str, endpoint_id: str) -> str:
    return f"otp:hook:{{{application_lane(application)}}}:{endpoint_id}"


def hook_open(application: str, endpoint_id: str) -> str:
    return f"otp:hookopen:{{{application_lane(application)}}}:{endpoint_id}"


def gateway(name: str) -> str:
    return f"otp:gateway:{{{GATEWAYS}}}:{name}"


def heard(name: str) -> str:
    return f"otp:heard:{{{GATEWAYS}}}:{name}"


def ends(name: str) -> str:
    return f"otp:ends:{{{GATEWAYS}}}:{name}"


def turns(account: str) -> str:
    return f"otp:turns:{account}"


def provider_id(name: str) -> str:
    return f"otp:sms:{name}"


def idempotency(name: str) -> str:
    return f"otp:idem:{name}"


def guesses(partition: int, phone_index: str, limit: str) -> str:
    return f"otp:guesses:{{{partition}}}:{phone_index}:{limit}"


def limit(name: str) -> str:
    return f"otp:limit:{name}"


def proved(partition: int, phone_index: str) -> str:
    return f"otp:proved:{{{partition}}}:{phone_index}"


def tally(name: str) -> str:
    return f"otp:tally:{name}"


def places(name: str) -> str:
    return f"otp:places:{name}"


def fraud_report(application: str) -> str:
    return f"otp:fraud:{{{application_lane(application)}}}"


def alarm(lane: str) -> str:
    return f"otp:alarm:{{{lane}}}"


def spending(application: str) -> str:
    return f"otp:spending:{{{application_lane(application)}}}"


def client_id(account: str) -> str:
    return f"otp:clientid:{account}"


def api_key(digest: str) -> str:
    return f"otp:{{apikeys}}:{digest}"


class Place(Value):
    """The keys of one verification and its phone, all in one slot."""

    verification: str
    pause: str
    fails: str
    phone: str
    due: str
    outbox: str
    proved: str

    @classmethod
    def of(cls, verification_id: str, partition: int, phone_index: str) -> Place:
        return cls(
            verification(partition, verification_id),
            pause(partition, phone_index),
            fails(partition, phone_index),
            phone(partition, phone_index),
            due(str(partition)),
            outbox(str(partition)),
            proved(partition, phone_index),
        )
