"""The closed words between Python and the Lua scripts, one type for each place where a script has some.

Named like the scripts: what one answers, or what it is told. tests/house/test_words.py compares each with the script's
header and body; mypy compares each with whoever asks for it, so a misspelt word is an error of types.
"""

from __future__ import annotations

from typing import Literal

# Verifications
Start = Literal["created", "exists", "too_soon", "disabled", "raced"]
TakeAttempt = Literal[
    "judge", "not_found", "closed", "replay", "running", "mismatch", "wrong_length", "waiting", "disabled", "limited"
]
GiveBackAttempt = Literal["ok", "not_found"]
Settle = Literal["settled", "not_found"]
Approve = Literal["approved", "closed", "not_allowed", "not_found"]
Cancel = Literal["ok", "not_found"]
Expect = Literal["expected", "closed", "not_found"]
Convert = Literal["converted", "known", "not_found"]
Read = Literal["ok", "not_found"]
ReadMany = Literal["ok", "not_found", "unreadable"]
"""The script's, and ours for a record that it cannot read."""
Kind = Literal["", "delivery"]
Report = Literal["ok", "not_found"]
ReportFailover = Literal["off"]
Resend = Literal[
    "claimed", "taken_over", "replay", "running", "mismatch", "not_found", "final", "disabled", "no_sends_left",
    "too_soon",
]  # fmt: skip
FailOver = Literal["claimed", "off", "spent"]
PassOver = Literal["ok", "closed", "not_found"]
TakeOver = Literal["done", "running", "taken_over", "absent"]
Walks = Literal["start", "any"]
Progress = Literal["ok", "closed", "lost", "not_found"]
ProgressStep = Literal["go on", "done", "wait", "fail", "spent", "leave"]
"""What a walk does next."""
ClaimIdempotency = Literal["new", "known", "mismatch"]

# Second factors
TotpEnrol = Literal["enrolled", "replay", "known", "mismatch", "too_many"]
TotpTake = Literal[
    "judge", "not_found", "unconfirmed", "confirmed", "replay", "running", "mismatch", "wrong_length", "waiting",
    "disabled",
]  # fmt: skip
TotpMode = Literal["confirm", "check", "any"]
TotpSettle = Literal["settled"]
TotpRemove = Literal["removed", "not_found"]
BackupIssue = Literal["issued", "replay", "mismatch"]
BackupTake = Literal["judge", "replay", "running", "mismatch", "waiting", "disabled"]
BackupSettle = Literal["settled"]
Challenge = Literal["challenge.approved", "challenge.denied"]
SubjectRead = Literal["ok", "not_found"]
SubjectPhone = Literal["ok"]
SubjectUnlock = Literal["ok"]
SubjectForget = Literal["ok"]

# Webhooks
WebhookBegin = Literal["newest", "oldest"]
WebhookTake = Literal["ok", "idle", "wait", "busy", "disabled", "unknown"]
WebhookCame = Literal["told", "refused", "failed", "gone", "parked"]
WebhookSettle = Literal["told", "held", "parked", "failing", "disabled", "unknown"]

# Keys, operators, spending, what callers of the Twilio facade made
ApiKeyRead = Literal["ok", "expired", "unknown"]
ApiKeyRotate = Literal["rotated", "unknown", "expired", "has_successor", "two_live"]
OperatorSession = Literal["ok", "gone"]
SessionStage = Literal["password", "full"]
TakePassword = Literal["judge", "waiting", "disabled"]
SpendTold = Literal["", "warning", "exhausted"]
TwilioPut = Literal["put", "taken", "full", "absent"]
TwilioPutMode = Literal["new", "known"]
