"""Every key in Redis: its name, type, life, and whether it holds personal data.

`{p}` is the partition's hash tag: all keys of one phone share a slot, so one script may touch them together. A *lane*
is a slot with due jobs and an outbox of its own: each partition, `gateways`, and `app:<name>` for each application.
No key name and no value holds a phone or a code in clear. One file, so that nothing is named anywhere
else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime

from otp_service.domain.value import Value


class Kind(Value):
    """One kind of key, for the catalogue in docs/operations.md and the test that compares it with a live Redis."""

    pattern: str
    type: str
    life: str
    personal: str
    purpose: str

    @property
    def protects(self) -> bool:
        return self.pattern in PROTECTING

    def is_sound(self, part: Sequence[bytes]) -> bool:
        """Of a part of the key: field and value, or what it is in one."""
        sound = SOUND.get(self.pattern)
        return sound is None or re.fullmatch(sound, b"=".join(part).decode("latin-1"), re.DOTALL) is not None


CATALOGUE = (
    Kind("otp:install", "hash", "for ever", "no", "number of partitions, wrapped index key and retired keys"),
    Kind("otp:v:{p}:<id>", "hash", "expiry + retention", "phone, encrypted", "a verification with its messages"),
    Kind("otp:pause:{p}:<phone index>", "hash", "end of pause + 10 min", "no", "when a phone may be sent to again"),
    Kind(
        "otp:fails:{p}:<phone index>",
        "hash",
        "365 days, or disabled",
        "no",
        "consecutive wrong codes of a phone",
    ),
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
    Kind("otp:delays:{gateways}:<name>", "hash", "7 days", "no", "how long its messages took, by operator or country"),
    Kind("otp:routes:{gateways}", "hash", "30 days", "no", "how messages did, by gateway and operator or country"),
    Kind(
        "otp:report:{app:<name>}",
        "hash",
        "for ever",
        "no",
        "which week was reported, and the report until it is mailed",
    ),
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
    Kind(
        "otp:verified:{p}:<phone index>",
        "hash",
        "5 memories after the last",
        "no",
        "faded counts of sends and approvals of a phone that was proved",
    ),
    Kind(
        "otp:unreached:{p}:<phone index>",
        "hash",
        "30 days after the last",
        "no",
        "channels that did not reach a phone, and until when they are passed over",
    ),
    Kind("otp:tally:<keyed hash>", "hash", "5 memories after the last", "no", "faded counts of sends and approvals"),
    Kind("otp:places:<keyed hash>", "list", "1 memory after the last", "no", "last places asked for in a number block"),
    Kind("otp:fraud:{app:<name>}", "hash", "31 days after the last", "no", "what the pumping guard found, by day"),
    Kind("otp:challenges:{app:<name>}", "hash", "31 days after the last", "no", "what was challenged, by day"),
    Kind(
        "otp:refused:{app:<name>}", "sorted set", "24 h after the last", "no", "why phones got no code, newest 20,000"
    ),
    Kind("otp:alarm:{lane}", "string", "600 s (wrong_codes_memory_seconds)", "no", "there are too many wrong codes"),
    Kind(
        "otp:twilio:{app:<name>}",
        "hash",
        "until removed",
        "phones of the safe list, encrypted",
        "what callers of the Twilio facade made",
    ),
    Kind("otp:attempts:{app:<name>}", "sorted set", "expiry + retention", "no", "verifications of the facade"),
    Kind("otp:spending:{app:<name>}", "hash", "63 days after the last", "no", "micro-roubles spent, by day"),
    Kind(
        "otp:hours:{app:<name>}:<day>", "hash", "90 days (statistics.hours_days)", "no", "statistics of a day, by hour"
    ),
    Kind(
        "otp:days:{app:<name>}:<month>",
        "hash",
        "3 years (statistics.days_days)",
        "no",
        "statistics of a month, by day",
    ),
    Kind("otp:clientid:<account hash>", "string", "for ever", "no", "the last client id drawn for a provider account"),
    Kind("otp:{apikeys}", "hash", "for ever", "no", "id of each API key → its SHA-256"),
    Kind(
        "otp:{apikeys}:<SHA-256>",
        "hash",
        "until revoked, or its end + 30 d",
        "no",
        "an API key: what it may do, its times",
    ),
    Kind("otp:{operators}", "hash", "for ever", "names of operators", "name of each operator of the console → its id"),
    Kind(
        "otp:{operators}:account:<id>",
        "hash",
        "until removed",
        "name of the operator",
        "an operator: role, password as argon2id, passkeys",
    ),
    Kind("otp:{operators}:link:<SHA-256>", "hash", "24 h", "no", "a link by which an operator sets a password"),
    Kind("otp:{operators}:session:<SHA-256>", "hash", "30 min without use", "no", "an operator who is signed in"),
    Kind("otp:{operators}:wrong:<id>", "hash", "24 h after the last", "no", "wrong passwords of an operator in a row"),
    Kind(
        "otp:lists",
        "hash",
        "until removed",
        "phones, encrypted",
        "allow and block lists of the pumping guard that operators edit",
    ),
    Kind("otp:audit", "stream", "`retention.audit_seconds`", "no", "the audit log"),
    Kind("otp:unreadable", "hash", "30 days after the last", "phone, encrypted", "what was set aside, and why"),
    Kind(
        "otp:aside:{lane}:<hash of the key>", "any", "30 days", "as what it was", "a key of the wrong type, set aside"
    ),
)


def _numbers(fields: str) -> str:
    """Of hashes in which these fields are numbers, whatever else they have."""
    return rf"(?:{fields})=-?\d+(?:\.\d+)?|(?!(?:{fields})=).*"


_ROWS = r"\d\d(?:\|[^|=]*){4}=.*"

PROTECTING = frozenset(
    f"otp:{name}" for name in (
        "install", "v:{p}:<id>", "fails:{p}:<phone index>", "sub:{p}:<subject index>", "sop:{p}:<keyed hash>",
        "decoy:{p}:<subject index>", "guesses:{p}:<phone index>:<limit>", "{apikeys}", "{apikeys}:<SHA-256>",
        "twilio:{app:<name>}", "{operators}", "{operators}:account:<id>", "{operators}:link:<SHA-256>",
        "{operators}:session:<SHA-256>", "{operators}:wrong:<id>",
    )
)  # fmt: skip
"""Kinds without which somebody would be let in, or nobody: such a key is never set aside (storage/unreadable.py), so
what it is about stands still."""
SOUND = {
    "otp:pause:{p}:<phone index>": _numbers("rung|until"),
    "otp:eventstate:{app:<name>}": r"sequence=\d+|relayed:.*=\d+-\d+|(?!sequence=|relayed:).*",
    "otp:hook:{app:<name>}:<id>": r"cursor=\d+-\d+|(?!cursor=)(?:"
    + _numbers("sequence|attempt|next_at|lease|told_at|failed_at|failing_since|disabled_at|parked_in_a_row|tries:.*")
    + ")",
    "otp:hookopen:{app:<name>}:<id>": r"\d+-\d+",
    "otp:gateway:{gateways}:<name>": _numbers("opened_at|probe_at|cooldown|balance|balance_at|low"),
    "otp:heard:{gateways}:<name>": "[01]",
    "otp:ends:{gateways}:<name>": r"\d+|failed",
    "otp:delays:{gateways}:<name>": r"[^=]*=\d{1,10}(?:,\d{1,10})*",
    "otp:routes:{gateways}": r"[^|=]*\|[^=]*=(?:[\d.e+-]+ [\d.e+-]+ \d+ )?\d+",
    "otp:report:{app:<name>}": r"week=\d{4}-\d\d-\d\d|report=\{.*|sent:[0-9a-f]{16}=1",
    "otp:idem:<keyed hash>": _numbers("lease"),
    "otp:limit:<keyed hash>": r"\d+=\d+",
    "otp:tally:<keyed hash>": _numbers(".*"),
    "otp:verified:{p}:<phone index>": _numbers(".*"),
    "otp:unreached:{p}:<phone index>": r"[a-z]{1,16}:(?:times|since|until)=\d{1,16}",
    "otp:places:<keyed hash>": r"\d+",
    "otp:fraud:{app:<name>}": r"day=\d+|\d+\|[^|]*\|[^|]*\|.*=\d+",
    "otp:challenges:{app:<name>}": r"day=\d+|\d+.*=\d+",
    "otp:refused:{app:<name>}": r"[0-9a-f]+\|[a-z_]+\|[^|]*",
    "otp:spending:{app:<name>}": _numbers(".*"),
    "otp:hours:{app:<name>}:<day>": _ROWS,
    "otp:days:{app:<name>}:<month>": _ROWS,
    "otp:clientid:<account hash>": r"\d+",
}
"""What each part of a key has to match: `field=value` of a hash, a member, an element, the string. What does not is set
aside when somebody stumbles over it."""

UNREADABLE = "otp:unreadable"
PREFLIGHT = "otp:preflight"
"""Written and deleted by one script, so it is never there for anybody else."""
INSTALL = "otp:install"
SUBJECTS = "otp:sub:*"
"""All of them, for what goes through everything."""
API_KEYS = "otp:{apikeys}"
OPERATORS = "otp:{operators}"
LISTS = "otp:lists"
AUDIT = "otp:audit"
GATEWAYS = "gateways"
"""The lane of what concerns gateways."""
ROUTES = "otp:routes:{gateways}"


def _matching(pattern: str) -> re.Pattern[str]:
    """A pattern of the catalogue as one for names."""
    spelt = re.escape(pattern).replace(r"\{p\}", r"\{[0-9]+\}").replace(r"\{lane\}", r"\{.+\}")
    return re.compile(re.sub(r"<[^<>]*>", ".+", spelt), re.DOTALL)


_KINDS = [(_matching(kind.pattern), kind) for kind in sorted(CATALOGUE, key=lambda kind: -len(kind.pattern))]


def kind_of(name: str) -> Kind | None:
    """What the catalogue says of a key; None for one that is not ours."""
    return next((kind for pattern, kind in _KINDS if pattern.fullmatch(name)), None)


def type_of(name: str) -> str:
    """What a key of ours should be, as TYPE says it; '' for one that is not ours."""
    kind = kind_of(name)
    return "" if kind is None else "zset" if kind.type == "sorted set" else kind.type


def aside(name: str) -> str:
    """Where a key of the wrong type goes: in the same slot (Redis Cluster specification, hash tags)."""
    tag, closed, _ = name.partition("{")[2].partition("}")
    return f"otp:aside:{{{tag if tag and closed else name}}}:{hashlib.sha256(name.encode()).hexdigest()[:16]}"


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


def delays(name: str) -> str:
    return f"otp:delays:{{{GATEWAYS}}}:{name}"


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


def verified(partition: int, phone_index: str) -> str:
    return f"otp:verified:{{{partition}}}:{phone_index}"


def unreached(partition: int, phone_index: str) -> str:
    return f"otp:unreached:{{{partition}}}:{phone_index}"


def tally(name: str) -> str:
    return f"otp:tally:{name}"


def places(name: str) -> str:
    return f"otp:places:{name}"


def fraud_report(application: str) -> str:
    return f"otp:fraud:{{{application_lane(application)}}}"


def challenge_report(application: str) -> str:
    return f"otp:challenges:{{{application_lane(application)}}}"


def refusals(application: str) -> str:
    return f"otp:refused:{{{application_lane(application)}}}"


def alarm(lane: str) -> str:
    return f"otp:alarm:{{{lane}}}"


def spending(application: str) -> str:
    return f"otp:spending:{{{application_lane(application)}}}"


def hours(application: str, day: datetime) -> str:
    return f"otp:hours:{{{application_lane(application)}}}:{day:%Y-%m-%d}"


def weekly(application: str) -> str:
    return f"otp:report:{{{application_lane(application)}}}"


def days(application: str, month: datetime) -> str:
    return f"otp:days:{{{application_lane(application)}}}:{month:%Y-%m}"


def twilio(application: str) -> str:
    return f"otp:twilio:{{{application_lane(application)}}}"


def twilio_attempts(application: str) -> str:
    return f"otp:attempts:{{{application_lane(application)}}}"


def client_id(account: str) -> str:
    return f"otp:clientid:{account}"


def api_key(digest: str) -> str:
    return f"otp:{{apikeys}}:{digest}"


def operator(operator_id: str) -> str:
    return f"otp:{{operators}}:account:{operator_id}"


def operator_link(digest: str) -> str:
    return f"otp:{{operators}}:link:{digest}"


def operator_session(digest: str) -> str:
    return f"otp:{{operators}}:session:{digest}"


def wrong_passwords(who: str) -> str:
    return f"otp:{{operators}}:wrong:{who}"


class VerificationKeys(Value):
    """The keys of one verification and its phone, all in one slot."""

    verification: str
    pause: str
    fails: str
    phone: str
    due: str
    outbox: str
    proved: str
    unreached: str

    @classmethod
    def of(cls, verification_id: str, partition: int, phone_index: str) -> VerificationKeys:
        return cls(
            verification(partition, verification_id),
            pause(partition, phone_index),
            fails(partition, phone_index),
            phone(partition, phone_index),
            due(str(partition)),
            outbox(str(partition)),
            proved(partition, phone_index),
            unreached(partition, phone_index),
        )
