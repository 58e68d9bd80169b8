"""What the OpenAPI document says of groups, fields, words and problem codes, for people who never saw the code.

A route's own sentences stand at its handler. A field has one meaning in all answers, so it is described once here, by
its name; where two answers mean different things by one name, by both. What `Meta` says of a field goes before.
All of it is one file, so that it can be read aloud from top to bottom and one word means one thing.
"""

from __future__ import annotations

from collections.abc import Mapping

TAGS: Mapping[str, str] = {
    "verifications": "Send a code to a phone and check what the person typed. Begin here.",
    "deliveries": "Deliver a code that you made yourself.",
    "factors": "Second factors: authenticator apps (TOTP) and backup codes.",
    "subjects": (
        "What a person (your own id of them) can use to prove who they are; one check for whatever code they typed."
    ),
    "phones": "Unlock a phone that wrong codes, a pause or limits hold back.",
    "events": "What happened, as a list; for receivers that do without webhooks.",
    "statistics": "How many codes were sent, arrived and were entered, and what they cost, by hours or days.",
    "fraud": "What the protection against SMS pumping found.",
    "gateways": "Health and balance of the providers that carry messages.",
    "audit": "Who changed what, and when.",
    "system": "For load balancers. Needs no API key.",
}
"""Groups of routes, in the order in which they are shown."""

FIELDS: Mapping[str, str] = {
    "advice": (
        "What to do if no code came: `wait`, `resend`, `try_channel:` and a channel, `inbound`, "
        "`sms_likely_blocked` or `ask_operator`; docs/inbound.md explains each. Null where there is no "
        "advice."
    ),
    "algorithm": "Hash function of the TOTP codes. Every authenticator app knows `SHA1`; not all know the others.",
    "already_there": "How many rows were here already and were left alone.",
    "application": "Name of the application in the settings; null where the entry is about the service as a whole.",
    "approved": "True in one answer only: that of the call whose code was accepted first. Act on this field alone.",
    "assurance": "How the approval was proved; null while `status` is not `approved`.",
    "at": "When it happened.",
    "attempts_left": "How many wrong codes may still be submitted.",
    "backup_codes": "The person's backup codes; null where there are none.",
    "backup_codes_left": "How many backup codes are left; null where the factor is no backup code.",
    "balance": "What is left on the account, in money or in SMS, as the provider counts; null where it is not known.",
    "balance_at": "When the balance was read.",
    "balance_low": "Whether the balance is below `balance_low` of the gateway's settings.",
    "budget": "The limit that was set.",
    "budget_per_day": "How much the application may spend in a day, in roubles; null where there is no such limit.",
    "challenge_passed": "Sends that were allowed because `client.challenge_passed` was true.",
    "challenged": "Sends that were refused until the person passes a challenge, such as a CAPTCHA.",
    "channel": "How the message reaches the person, such as `sms` or `email`.",
    "circuit": (
        "`closed`: messages are sent through the gateway. `open`: it failed repeatedly and is sent nothing. "
        "`half_open`: it is being tried again."
    ),
    "client": "The person's device. Limits and the protection against SMS pumping count by it.",
    "code": "The name of the error, for programs. It never changes.",
    "code_length": "How many digits the code has.",
    "codes": "The backup codes. Only this answer shows them.",
    "confirmed_at": "When its first code was accepted; null until then.",
    "converted": "Of `would_refuse`: sends whose code was entered, so there was a person.",
    "converted_at": "When you reported that the code was entered; null until then.",
    "country": "ISO 3166-1 alpha-2; `ZZ` for a number that belongs to no country.",
    "created_at": "When it was made.",
    "data": (
        "Details of the event, as they were at `timestamp`. The fields depend on `type`: see the section on webhooks."
    ),
    "days": "How many days the report covers, today (UTC) included.",
    "decision": "What the protection decided.",
    "delivered_share": "Of the newest 100 messages with a known outcome, the share that was delivered, 0 to 1.",
    "delivery_id": "Id of the delivery.",
    "detail": "A sentence for people. It may change: programs must not depend on it.",
    "details": "More about the entry; what depends on `action`.",
    "digits": "How many digits a code has.",
    "encoding": "How `secret` is encoded; `base32` if absent.",
    "ended_at": "When the status became final; null until then.",
    "endpoint": "The id of the webhook endpoint, as `otp-service webhooks list` shows it.",
    "entries": "The entries, oldest first.",
    "error": "Why the row was refused; null where it was not.",
    "errors": "Every field that is wrong, not only the first.",
    "events": "The events, oldest first.",
    "expires_at": "Until when the code is accepted.",
    "factor": "What kind of code it is.",
    "factor_id": "Id of the authenticator; null for backup codes, and where no authenticator matches.",
    "factors": "The authenticators, oldest first.",
    "field": "Path of the field, as in `client.ip` or `rows[3].secret`.",
    "forgotten": "How many consecutive wrong codes were cleared.",
    "found": "What was found: one entry for each reason and value.",
    "gateway": "Name of the gateway in the settings.",
    "gateway_words": (
        "The provider's own error text, where its documentation does not list it. Only for keys with the scope `admin`."
    ),
    "gateways": "The gateways, in the order of the settings.",
    "guard": "How the protection against SMS pumping judged the first message; null where it was off.",
    "health": "`ok`, `trial` (being tried again after failures) or `down`.",
    "id": "Opaque; up to 64 letters, digits, `_`, `-` and dots.",
    "imported": "How many rows were imported.",
    "inbound": "The SMS that the person may send instead of typing a code; null while none is expected.",
    "issued_at": "When the codes were issued.",
    "issuer": "The name of your service, as the authenticator app shows it.",
    "label": "The name of the account, as the authenticator app shows it.",
    "left": "How many unused codes are left.",
    "limit": "Name of the limit in the settings.",
    "limits": "What your own limits count by: name of the limit in the settings, and a value such as a device id.",
    "locale": "Language of the text.",
    "loops": "Background tasks with a problem, by name: `failing`, `late` or `dead`. Absent where there are none.",
    "message": "The message that the event is about; absent where it is about none.",
    "messages": "All messages that were sent or attempted, oldest first.",
    "mode": "`off`, `shadow` (count only), `auto` or `enforce`, as in the settings.",
    "name": "Your name for this authenticator among several of one person; null where none was given.",
    "next": "Send this as `after` to get the next page; null after the last page.",
    "number_type": "What kind of number it is, such as `fixed_line` or `premium_rate`.",
    "opened_at": "Since when the gateway is sent nothing because it failed; null while it is in use.",
    "operator": "Mobile operator of the phone; null where it is not known.",
    "operator_region": "Region of the operator; null where it is not known.",
    "outcome": "The result of the check.",
    "parts": "How many SMS the text was split into; null where the gateway does not say.",
    "period": "For how many seconds the app shows each code.",
    "phone": "The phone number, partly replaced by stars unless you ask with `phones=clear`.",
    "phones": "Phones that were verified for the person.",
    "platform": "Where the person types the code. The last line of the text then lets the browser or app fill it in.",
    "price": "Price of one part, as the gateway states it; null where it does not.",
    "probe_at": "When the gateway will be tried again; null while it is in use.",
    "purpose": "What the code is for, such as `login`. A code for one purpose is never accepted for another.",
    "qr_png": (
        "The QR code as a `data:` URL of a PNG, for the `src` of an image; null once the authenticator is confirmed."
    ),
    "qr_svg": (
        "The QR code as a `data:` URL of an SVG, for the `src` of an image; null once the authenticator is confirmed."
    ),
    "reason": "Why it failed, as one of the words in docs/errors.md; null where it did not.",
    "reasons": "Which counts were over their budget; docs/limits.md lists them.",
    "reference": "Your own reference from the start; null where none was given.",
    "refused_by": "How many of `refused` by which check.",
    "refused": "How many were refused.",
    "reports": "Whether the gateway reports in time what became of its messages; null until that is known.",
    "resend_at": "When the code may be sent again; show a countdown to it.",
    "restricted": "True: a code by SMS is a restricted authenticator (NIST SP 800-63B-4 §3.2.9).",
    "result": "What became of the row.",
    "row": "Number of the row, from 1. Rows of the CSV follow those of `rows`.",
    "rows": "The rows.",
    "scope": "The scope that the API key would need.",
    "secret": "The shared secret in base32, to be typed in by hand; null once the authenticator is confirmed.",
    "seconds": (
        "With the outcome `clock_off`: by how many seconds the device's clock is ahead, negative if it is "
        "behind. Otherwise null."
    ),
    "seconds_to_delivery": "Median time to delivery of the newest 100 messages, in seconds; null where unknown.",
    "sends_left": "How many messages may still be sent.",
    "sent_at": "When the gateway accepted the message; null until then.",
    "sequence": "Number of the event in your application. Each event has the next number.",
    "spent": "Money spent today, in roubles.",
    "spent_today": "Money spent today, in roubles.",
    "status": "The current status.",
    "step": "Whether each row covers an `hour` or a `day`, in UTC.",
    "storage": "`ok`, or `unavailable` where Redis does not answer.",
    "subject": "Your own id of the person; null where none was given.",
    "tags": "The tags that were given at the start; absent where there were none.",
    "test": "True for a test number of the settings: nothing is sent.",
    "threshold": "The `balance_low` of the settings.",
    "timeline": "What happened to the verification, oldest first.",
    "timestamp": "When it happened.",
    "title": "The name of the HTTP status.",
    "to": "The phone number in E.164, or the mail address.",
    "total": "All findings together. A send with several reasons counts once.",
    "totp": "The person's authenticators.",
    "trusted": "Whether you know this client.",
    "type": "The type of the event.",
    "unverified": "Messages whose code was not entered. Older ones count less.",
    "updated_at": "When the status last changed.",
    "uri": "The `otpauth:` URI, as a link for the phone itself; null once the authenticator is confirmed.",
    "used_at": "When it was last used; null until then.",
    "value": "The block of phone numbers or the country; null where the reason has neither.",
    "verification_id": "Id of the verification.",
    "verification_status": "The final status of the verification.",
    "verifications": "The verifications, newest first.",
    "verified_at": "When the phone was last verified.",
    "what": "`created`, `attempt`, `message.` followed by the status of a message, or the final status.",
    "worker": "`ok`, `late`, or `elsewhere` where another process runs due jobs.",
    "would_refuse": "Sends that went out although the protection would have refused them, because it only counted.",
    "wrong": "How many wrong codes were counted.",
    "wrong_code_alarm": "Whether there are unusually many wrong codes just now: somebody may be guessing.",
}

FIELDS_OF: Mapping[tuple[str, str], str] = {
    ("AuditEntry", "action"): "What was done, such as `key.created`.",
    ("AuditEntry", "actor"): "Who did it, such as `cli:anna` or the name of an API key.",
    ("AuditEntry", "subject"): "What it was done to, such as an API key; null where it is not about a single thing.",
    ("BudgetData", "budget"): "How much the application may spend in a day, in roubles.",
    ("CircuitData", "opened_at"): "Since when the gateway was sent nothing.",
    ("CircuitData", "reason"): "Why the gateway was sent nothing; docs/errors.md lists the reasons.",
    ("EventMessage", "id"): "The message: the id of the verification or delivery, a dot and a number.",
    ("FieldError", "message"): "What the field must be, with an example. It continues the field's name: `must be …`.",
    ("Found", "reason"): "Why the sends were taken for pumping; docs/limits.md lists the reasons.",
    ("GatewayView", "name"): "Name of the gateway in the settings.",
    ("GatewayView", "reason"): "Why the gateway is not `ok`; null where it is.",
    ("GuardReason", "approved"): "Messages whose code was entered. Older ones count less.",
    ("GuardReason", "budget"): "How many messages without an entered code are allowed.",
    ("GuardReason", "reason"): "What was counted; docs/limits.md lists the reasons.",
    ("GuardView", "reasons"): "Which counts were over their budget; empty where none were.",
    ("Health", "status"): "Always `ok`. A process that cannot do its work answers with a problem instead.",
    ("ImportResult", "rows"): "What became of each row.",
    ("ImportRow", "algorithm"): "Hash function of the codes; if absent, the one in the URI, else `SHA1`.",
    ("ImportRow", "digits"): "How many digits a code has; if absent, as in the URI, else 6.",
    ("ImportRow", "period"): "For how many seconds the app shows each code; if absent, as in the URI, else 30.",
    ("ImportRow", "secret"): "The shared secret, encoded as `encoding` says.",
    ("ImportRow", "uri"): (
        "An `otpauth:` URI, or an `otpauth-migration:` URI (export of Google Authenticator) with one account."
    ),
    ("ImportTotp", "csv"): "A CSV file with a header line, as text.",
    ("ImportTotp", "rows"): "Up to 500 authenticators.",
    ("InboundView", "code"): "The code that the SMS has to contain.",
    ("InboundView", "number"): "The number that the SMS has to be sent to.",
    ("InboundView", "qr_svg"): "The link as a QR code, a `data:` URL of an SVG, for the `src` of an image.",
    ("InboundView", "text"): "The text of the SMS.",
    ("InboundView", "uri"): "A link that opens the phone's SMS app with number and text filled in.",
    ("MessageView", "id"): "The message: the id of the verification or delivery, a dot and a number.",
    ("MomentView", "message"): "Id of the message; null where it is not about a message.",
    ("Percentiles", "p50"): "Half took no longer (the median); null where nothing was counted.",
    ("Percentiles", "p95"): "95 % took no longer; null where nothing was counted.",
    ("Problem", "advice"): (
        "`inbound` where the person may send the code by SMS instead, `try_channel:` and a channel where that "
        "one may reach them: start, or resend, with that channel."
    ),
    ("Problem", "delivery_id"): "The delivery that failed, for your records.",
    ("Problem", "status"): "The HTTP status.",
    ("Problem", "type"): "`urn:otp-service:problem:` and the code.",
    ("Problem", "verification_id"): "The verification that failed, for your records.",
    ("RefusedView", "budget"): "Because the money for the day was spent.",
    ("RefusedView", "guard"): "By the protection against SMS pumping.",
    ("RefusedView", "limit"): "By a limit of the settings.",
    ("Resend", "channel"): "Send by this channel; if absent, by the channel of the start.",
    ("RouteView", "before"): "The gateway that is first in the settings.",
    ("RouteView", "first"): "The gateway that was ranked first.",
    ("RouteView", "order"): "Whether the gateways were asked in this order.",
    ("RouteView", "reason"): "Why it was ranked first.",
    ("StatisticsRow", "approved"): "Verifications that were approved.",
    ("StatisticsRow", "at"): "Beginning of the hour or day, UTC.",
    ("StatisticsRow", "canceled"): "Verifications that you canceled.",
    ("StatisticsRow", "channel"): "How the messages were sent. Only with `by=channel`; null where it is not known.",
    ("StatisticsRow", "chosen"): (
        "How often a route that learns ranked this gateway first, also where the ranking was only recorded."
    ),
    ("StatisticsRow", "chosen_otherwise"): "Of `chosen`: how often another gateway is first in the settings.",
    ("StatisticsRow", "conversion"): (
        "Share of the messages sent that led to an approval, 0 to 1; null where none were sent."
    ),
    ("StatisticsRow", "country"): "Country of the phone. Only with `by=country`; null where it is not known.",
    ("StatisticsRow", "delivered"): "Messages that were delivered.",
    ("StatisticsRow", "exhausted"): "Verifications whose attempts were used up.",
    ("StatisticsRow", "expired"): "Verifications that expired without the right code.",
    ("StatisticsRow", "failed"): "Messages that were not delivered.",
    ("StatisticsRow", "failovers"): "Messages sent by another gateway because the one before did not arrive in time.",
    ("StatisticsRow", "failovers_won"): "Approvals with the code of such a message.",
    ("StatisticsRow", "gateway"): "Name of the gateway. Only with `by=gateway`; null for what is not about one.",
    ("StatisticsRow", "operator"): "Mobile operator. Only with `by=operator`; null where it is not known.",
    ("StatisticsRow", "parts"): "How many SMS the texts were split into.",
    ("StatisticsRow", "reached"): "Verifications with at least one delivered message.",
    ("StatisticsRow", "reasons"): "Why messages were not taken or did not arrive: how many, by reason.",
    ("StatisticsRow", "refused"): "Starts and resends that were refused.",
    ("StatisticsRow", "roubles"): "What the messages cost.",
    ("StatisticsRow", "seconds_to_approval"): "From the start to the right code.",
    ("StatisticsRow", "seconds_to_delivery"): "From the gateway's acceptance to the delivery.",
    ("StatisticsRow", "sends"): "Messages that were sent, or may have been because the gateway's answer was lost.",
    ("StatisticsRow", "sent_to"): "Verifications with at least one message sent.",
    ("StatisticsRow", "started"): "Verifications and deliveries that were started.",
    ("StatisticsRow", "unknown"): "Messages of which the provider does not know what became of them.",
    ("StatisticsRow", "unsent"): "Verifications for which no gateway accepted a message.",
    ("StatisticsView", "rows"): "One for each period and group, oldest first.",
    ("Unlocked", "limits"): "What each limit had counted, by its name in the settings.",
    ("Unlocked", "pause_seconds"): "How many seconds longer the phone would have had to wait for a message.",
    ("VerificationView", "route"): (
        "Which gateway a route that learns ranked first; null where there was nothing to rank. Only for keys with the "
        "scope `admin`."
    ),
    ("WeekFigures", "approved"): "Verifications that were approved.",
    ("WeekFigures", "conversion"): "Share of the starts that were approved, 0 to 1; null where there were none.",
    ("WeekFigures", "failovers"): "Messages sent by another gateway because the one before did not arrive in time.",
    ("WeekFigures", "refused"): "Starts and resends that were refused.",
    ("WeekFigures", "roubles"): "What the messages cost.",
    ("WeekFigures", "seconds_p50"): "From the start to the right code: half took no longer (the median).",
    ("WeekFigures", "seconds_p95"): "From the start to the right code: 95 % took no longer.",
    ("WeekFigures", "sends"): "Messages that were sent, or may have been because the gateway's answer was lost.",
    ("WeekFigures", "started"): "Verifications and deliveries that were started.",
    ("WeekHint", "gateway"): "The gateway that it concerns; empty where it concerns none.",
    ("WeekHint", "help"): "What would improve the figures.",
    ("WeekHint", "operator"): "The mobile operator that it concerns; empty where it concerns all.",
    ("WeekRoute", "conversion"): "Share of its messages that led to an approval, 0 to 1.",
    ("WeekRoute", "gateway"): "Name of the gateway.",
    ("WeekRoute", "operator"): "Mobile operator; empty where it is not known.",
    ("WeekRoute", "roubles"): "What the messages cost.",
    ("WeekRoute", "seconds_p50"): "From the gateway's acceptance to the delivery: half took no longer (the median).",
    ("WeekRoute", "sends"): "Messages that were sent, or may have been because the gateway's answer was lost.",
    ("WeeklyReportData", "before"): "The figures of the week before.",
    ("WeeklyReportData", "hints"): "What would improve the figures.",
    ("WeeklyReportData", "now"): "The figures of the week.",
    ("WeeklyReportData", "routes"): "Figures by gateway and operator, most messages first, 15 at most.",
    ("WeeklyReportData", "week"): "The Monday on which the week began, UTC.",
    ("WrongCodesData", "budget"): "How many wrong codes are considered normal.",
}

COMPONENTS: Mapping[str, str] = {
    "Algorithm": "Hash function of TOTP codes.",
    "Assurance": (
        "How an approval was proved. `held`: the code reached the person and was submitted. `claimed`: an SMS "
        "with the code named this phone as its sender, which somebody with access to the network can forge."
    ),
    "AuditEntry": "One line of the audit log.",
    "AuditPage": "A page of the audit log. It may be empty and not the last: go on until `next` is null.",
    "BackupCodesView": "Backup codes of a person, without the codes.",
    "BalanceEvent": "The body of a webhook about a provider's account.",
    "BudgetEvent": "The body of a webhook about the money of the day.",
    "Channel": (
        "How the message reaches the person; each needs a route in the settings. `auto`: the application's "
        "channels, one after the other. `inbound`: the person sends the code by SMS to you."
    ),
    "CheckCode": "A code that was typed. With `to` and `purpose` you say what it has to prove.",
    "CheckPhone": "A code that was typed, for the newest pending verification of a phone.",
    "CheckResult": "The result of a check. Compare `to` with the phone that you want to be proved.",
    "CircuitEvent": "The body of a webhook about the health of a gateway.",
    "CircuitState": "Whether messages are sent through a gateway.",
    "Client": "The person's device. Only keyed hashes of it are stored.",
    "CodeDigits": "How many digits a code has.",
    "CodePeriod": "For how many seconds an app shows each code.",
    "Counts": "What became of sends that looked like pumping.",
    "Deliver": "A code or a text to deliver; exactly one of `code` and `text`.",
    "DeliveryEvent": "The body of a webhook about a delivery.",
    "DeliveryStatus": (
        "`queued`: no gateway has accepted it yet. `accepted`: a gateway has. `delivered`: it arrived. "
        "`failed`: it did not. `expired`: its time is over and nothing is known of its arrival."
    ),
    "DeliveryView": "A delivery, without its code and text.",
    "EnrolTotp": "A new authenticator.",
    "EnrolmentView": "An authenticator with its secret and QR code.",
    "EventList": "A page of events.",
    "EventType": "What happened. More types may come: ignore those that you do not know.",
    "EventView": "One event, as webhooks deliver it.",
    "FactorEvent": "The body of a webhook about a second factor.",
    "FactorKind": "`totp`: a code of an authenticator app. `backup_code`: a printed code that works once.",
    "FactorOutcome": (
        "The result of checking a second factor. Only `approved` proves it. `already_used`: the right code, "
        "but it was accepted before. `clock_off`: a code of another time, the device's clock is wrong. "
        "`already_confirmed`: this authenticator needs no confirmation."
    ),
    "FactorStatus": (
        "`unconfirmed`: its first code has not been submitted. `confirmed`: it can be used. `disabled`: 100 "
        "wrong codes in a row; unlock it."
    ),
    "FactorsView": "Authenticators of a person.",
    "FieldError": "One wrong field.",
    "Found": "What was found for one reason and value.",
    "FraudReport": "What the protection against SMS pumping found.",
    "GatewayHealth": "`ok`, `trial` (being tried again after failures) or `down`.",
    "GatewayList": "All gateways.",
    "GatewayView": "One gateway.",
    "GuardDecision": (
        "`allowed`: within the budget. `passed`: not judged, for example because the phone is on the allow list. "
        "`would_refuse`: over the budget, but the protection only counts. `challenged`: refused until the "
        "person passes a challenge. `refused`."
    ),
    "GuardReason": "One count of the protection against SMS pumping, and its budget.",
    "GuardView": "How the protection against SMS pumping judged the first message.",
    "Health": "Whether the process can do its work.",
    "Help": (
        'What would improve the figures of a week. `learn_routes`: set `order = "learned"`, which would rank '
        "this gateway first more often. `weak_route`: other gateways bring the people of this operator "
        "clearly more codes. `many_failovers`: many messages had to be sent again; add a channel. "
        "`many_refused`: limits, pumping protection or budget refused many starts."
    ),
    "ImportResult": "The result of an import.",
    "ImportRow": "One authenticator to import: the person, and either a URI or a secret.",
    "ImportTotp": "Authenticators to import, as rows, as CSV, or both; up to 500.",
    "ImportedAs": (
        "The result for one row. `already_there`: this authenticator exists and was left unchanged. "
        "`refused`: `error` says why."
    ),
    "ImportedRow": "The result for one row.",
    "InboundView": "The SMS that the person has to send.",
    "IssuedView": "New backup codes. Show them to the person now.",
    "Locale": "The languages of the texts.",
    "MessageStatus": (
        "`queued`: no answer of the gateway yet. `unclear`: its answer was lost, so the message may have been "
        "sent. `scheduled`: accepted, to be sent later. `held`: accepted, to be sent once the account has money. "
        "`accepted`: accepted by the gateway. The others are final: `delivered`; `undelivered`; `expired`: not "
        "delivered in time; `rejected`: not accepted; `canceled`: not sent after all; `unknown`: the provider does "
        "not know."
    ),
    "MessageView": "One message through one gateway.",
    "MomentView": "One thing that happened.",
    "OfSubject": "Names a person.",
    "Outcome": (
        "The result of a check. Only `approved` proves the phone. `already_approved`: another call got "
        "`approved` before. `expired`, `exhausted`, `canceled`, `failed`: the verification had ended so."
    ),
    "Percentiles": "Seconds, 600 at most.",
    "PhoneView": "A verified phone of a person.",
    "Platform": "Where the person types the code.",
    "Problem": "Every error is answered in this form (RFC 9457). Decide by `code`; docs/errors.md explains each.",
    "ProblemCode": "The name of an error. Names never change; more may come.",
    "RefusedView": "How many starts and resends were refused, and by what.",
    "Resend": "How to send the code again.",
    "RouteOrder": (
        "`learned`: the gateways were asked in this order. `shadow`: it was only recorded, and they were "
        "asked in the order of the settings."
    ),
    "RouteReason": (
        "`learned`: its messages led to most approvals. `explore`: each gateway is asked now and then. "
        "`only`: all others cost too much more."
    ),
    "RouteView": "Which gateway a route that learns ranked first.",
    "Scope": (
        "What an API key may do. `send`: start, resend and cancel; make second factors. `check`: check codes. "
        "`read`: read. `admin`: what operators do, such as unlocking."
    ),
    "Search": "Names a phone.",
    "SecretEncoding": "How a secret is encoded. `raw`: its characters are the key themselves.",
    "StartVerification": "Whom to send a code to, and how.",
    "StatisticsRow": "The figures of one hour or day, of one group.",
    "StatisticsView": "The statistics.",
    "Status": (
        "`pending`: the code is awaited. The others are final: `approved`; `expired`: no right code in time; "
        "`exhausted`: too many wrong codes; `canceled`: by you; `failed`: no gateway accepted the message."
    ),
    "StepChannel": "The channels that a step of a workflow can have.",
    "SubjectCheck": "A code that was typed.",
    "SubjectResult": "The result of a check, and which factor the code belongs to.",
    "SubjectView": "What a person can use.",
    "TotpCheck": "A code that was typed. Where `subject` is given and is not the authenticator's, the answer is 404.",
    "TotpResult": "The result of a check. Compare `subject` with the person that you want to be proved.",
    "TotpView": "An authenticator, without its secret.",
    "UnlockPhone": "Names a phone.",
    "UnlockResult": "What was cleared.",
    "Unlocked": "What was cleared for a phone.",
    "VerificationEnd": "The final statuses of a verification.",
    "VerificationEvent": "The body of a webhook about a verification.",
    "VerificationList": "Verifications of a phone.",
    "VerificationView": "A verification, without its code.",
    "WebhookTestEvent": "The body of a webhook that tests an endpoint.",
    "WeekFigures": "The figures of one week.",
    "WeekHint": "Something that would improve the figures, and where.",
    "WeekRoute": "Figures of one gateway for one mobile operator.",
    "WeeklyReportEvent": "The body of a webhook with the report of a week.",
    "WorkflowStep": "One channel of a workflow, and how long to wait for its message before the next step.",
    "WrongCodesEvent": "The body of a webhook about too many wrong codes.",
}

PROBLEMS: Mapping[str, str] = {
    "malformed_request": "The request is not valid HTTP or JSON.",
    "unauthorized": "The API key is missing, unknown, revoked or expired.",
    "insufficient_scope": "The API key lacks the scope that this operation needs; `scope` names it.",
    "network_not_allowed": "The API key may only be used from certain networks, and this request comes from another.",
    "country_not_allowed": "The application sends nothing to the phone's country.",
    "number_type_not_allowed": "The phone is a landline, a premium-rate number or another type that gets no codes.",
    "on_block_list": "The phone or the client's address is on the block list of the settings.",
    "suspected_pumping": (
        "Too many codes that nobody entered went to numbers like this one, or to requests from this client; "
        "`reasons` lists the counts."
    ),
    "challenge_required": (
        "The same as `suspected_pumping`, but the send is allowed once the person has passed a challenge: "
        "start again with `client.challenge_passed`."
    ),
    "phone_disabled": "100 wrong codes in a row were submitted for this phone. Unlock it once you know who asks.",
    "factor_disabled": "100 wrong codes in a row were submitted for this factor. Unlock it once you know who asks.",
    "factors_refused": "Redis does not keep its data over a restart, so second factors are refused.",
    "text_not_allowed": "The settings allow this application to deliver codes, but not whole texts.",
    "not_found": "It does not exist, or belongs to another application, phone, purpose or person.",
    "method_not_allowed": "The path exists, the method does not.",
    "request_timeout": "The request did not arrive in time.",
    "not_pending": "The verification has ended; `verification_status` says how.",
    "not_confirmed": "This authenticator has not been confirmed with its first code yet.",
    "too_many_factors": "The person has ten confirmed authenticators already.",
    "request_in_progress": (
        "The first request with this `Idempotency-Key`, or another send for this verification, is still being "
        "processed."
    ),
    "body_too_large": "The body is larger than 64 KiB.",
    "unsupported_media_type": "The body is not `application/json`.",
    "validation_failed": "A field is missing, unknown or wrong; `errors` lists all of them.",
    "invalid_phone": "`to` is not a phone number that can exist.",
    "invalid_address": "`to` is not a mail address.",
    "wrong_length": "The code has the wrong number of digits; `code_length` says the right one. It costs no attempt.",
    "phone_rejected": "This phone cannot receive the message; `reason` says why.",
    "channel_not_available": "The settings have no route for this channel.",
    "idempotency_key_reused": "This `Idempotency-Key` was used with another request before.",
    "too_soon": "The pause after the last message is not over.",
    "no_sends_left": "All messages of this verification have been sent, or its time is nearly over.",
    "too_many_failures": "20 or more wrong codes in a row were submitted: the next check has to wait.",
    "limit_exceeded": "A limit of the settings is used up; `limit` says which. Nothing was done.",
    "budget_exhausted": "The application's money for today is spent.",
    "head_too_large": "More than 100 headers, or more than 32 KiB of them.",
    "internal_error": "A fault of the service. Report it with the `X-Request-Id`.",
    "no_gateway_available": "No gateway accepted the message.",
    "busy": "The service has more requests than it can process at the moment. Nothing was counted.",
    "storage_unavailable": "Redis does not answer. Whether anything was done is not known.",
    "confirmation_pending": "Done, but not confirmed by the replicas in time.",
}
"""A sentence for each problem code."""

EVENTS: Mapping[str, str] = {
    "verification.created": "A verification was made, before anything was sent.",
    "verification.approved": (
        "The right code was submitted. Let nobody in because of this event: what proves a phone is the answer "
        "to your own check."
    ),
    "verification.expired": "A verification expired without the right code.",
    "verification.exhausted": "The attempts of a verification are used up.",
    "verification.canceled": "You canceled a verification.",
    "verification.failed": "No gateway accepted the message.",
    "delivery.created": "A delivery was accepted, before anything was sent.",
    "delivery.failed": "No gateway accepted the message of a delivery.",
    "delivery.expired": "The time of a delivery is over.",
    "delivery.converted": "You reported that the code of a delivery was entered.",
    "message.updated": "The status of a message of a verification or delivery changed.",
    "factor.enrolled": "An authenticator was enrolled and is not confirmed yet, or backup codes were issued.",
    "factor.confirmed": "An authenticator was confirmed with its first code and can be used now.",
    "factor.removed": "A second factor was removed.",
    "factor.locked": "The 100th wrong code in a row: the factor is disabled until it is unlocked.",
    "challenge.approved": "A right code was submitted in a challenge of the Twilio facade.",
    "challenge.denied": "A wrong code was submitted in a challenge of the Twilio facade.",
    "backup_code.used": "A backup code was used. `backup_codes_left` says how many are left.",
    "gateway.circuit_opened": "A gateway failed repeatedly and is sent nothing for a while.",
    "gateway.circuit_closed": "A gateway works again.",
    "gateway.balance_low": "The balance of an account fell below `balance_low` of the settings.",
    "application.budget_warning": "The application's money for today is nearly spent.",
    "application.budget_exhausted": "The application's money for today is spent: nothing more is sent.",
    "application.wrong_codes": "There are too many wrong codes in your application: somebody may be guessing.",
    "application.weekly_report": "The report of a week: its figures, and what would improve them.",
    "service.wrong_codes": "There are too many wrong codes in all applications together.",
    "webhook.test": "You tested the endpoint with `otp-service webhooks test`.",
}
"""When an event is told."""

PARAMETERS: Mapping[str, str] = {
    "verification_id": "The `id` from the answer to the start.",
    "delivery_id": "The `id` from the answer to the delivery.",
    "factor_id": "The `id` from the answer to the enrolment.",
}
