"""For schemathesis (`SCHEMATHESIS_HOOKS`): real phones, ids and codes, so that it also gets where things happen.

Only what is meant to be right is changed; what is meant to be wrong stays wrong. `FUZZ_FILE` holds the verifications
that test_fuzz.py has started, a list of {"id", "code"}, and ids of authenticators.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import GenerationMode

FILE = os.environ.get("FUZZ_FILE", "")
KNOWN: dict[str, list[Any]] = json.loads(Path(FILE).read_text()) if FILE else {"verifications": [], "factors": []}
LONGEST_WAIT = 30
VERIFICATIONS: list[dict[str, str]] = KNOWN["verifications"]
FACTORS: list[str] = KNOWN["factors"]
UNSEEN = re.compile(r"[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""Refused in names of authenticators, and beyond what a pattern can say to every engine (api/documentation.py)."""


@schemathesis.hook
def before_add_examples(_: schemathesis.HookContext, examples: list[schemathesis.Case]) -> None:
    """Put together of the examples of each field, of which `steps` are of the channel `auto` alone."""
    for case in examples:
        if isinstance(case.body, dict):
            case.body.pop("steps", None)


@schemathesis.hook
def map_case(_: schemathesis.HookContext, case: schemathesis.Case) -> schemathesis.Case:
    if isinstance((case.query or {}).get("wait"), list):  # the last of several counts, and that one may be right
        case.query["wait"] = "x"
    if case.body is None and case.path.endswith("/resend"):  # is read as no body, which may be left out
        case.body = []
    wait = str((case.query or {}).get("wait", ""))
    if wait.isdecimal() and int(wait) <= LONGEST_WAIT:
        case.query["wait"] = min(int(wait), 1)  # longer is right, too, and leaves no time for the rest
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return case
    chosen = random.choice(VERIFICATIONS)
    if "verification_id" in (case.path_parameters or {}) and random.random() < 0.8:
        case.path_parameters["verification_id"] = chosen["id"]
    if "factor_id" in (case.path_parameters or {}) and case.method != "DELETE" and random.random() < 0.8:
        case.path_parameters["factor_id"] = random.choice(FACTORS)
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = secrets.token_hex(8)  # the same key with another body is refused, rightly
    if case.path.endswith("/statistics"):  # of texts only days are right, and not all of them
        by = random.choice(["", "gateway", "channel,country", "operator,gateway"])
        case.query = {"step": (case.query or {}).get("step", "day"), "by": by}
    if isinstance(case.body, dict):
        _make_real(case.body, chosen["code"], by_id="verification_id" in (case.path_parameters or {}))
        if case.path.endswith("/import"):
            _choose_one(case.body)
        if case.path.endswith("/deliveries"):  # takes a code or a text
            case.body["code"] = case.body.get("code") or "123456"
            case.body.pop("text", None)
    return case


def _make_real(body: dict[str, Any], code: str, *, by_id: bool) -> None:
    """What no schema can say: which texts are phones, addresses or the right code, which channels have a route, and
    what nobody sees in a name."""
    for one in (body, *(body.get("rows") or ())):
        for field in ("name", "label", "issuer"):
            if isinstance(one.get(field), str):
                one[field] = UNSEEN.sub("", one[field])
    if body.get("channel"):
        body["channel"] = "sms"
    body.pop("steps", None)  # of the channel `auto` alone
    if "subject" in body:
        body["subject"] = (
            f"fuzz-{secrets.token_hex(6)}"  # the eleventh authenticator of one takes the place of the first
        )
    if "to" in body:
        body["to"] = f"+7916{random.randrange(10_000, 100_000)}{random.randrange(20, 100)}"
    if isinstance(body.get("client"), dict) and "ip" in body["client"]:
        body["client"]["ip"] = random.choice(
            [f"203.0.{random.randrange(256)}.7", f"2001:db8:{random.randrange(9999)}::7"]
        )
    if "limits" in body:
        body["limits"] = None
    if "code" in body and random.random() < 0.5:  # any other text is no code, or one of another length
        body["code"] = f"{random.randrange(10**6):06}"
    elif "code" in body:
        body["code"] = code
        if by_id:
            body.pop("to", None)
        body.pop("purpose", None)


def _choose_one(body: dict[str, Any]) -> None:
    """An import takes rows or a file, and of a file no text but one that holds something."""
    if not body.get("rows") or body.get("csv"):
        body.pop("rows", None)
        body["csv"] = "subject,secret\nperson-1,JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\n"
