"""As much of otp-service as the demo page asks for, with answers decided by the phone and the code."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

API_KEY = "stub-key"
CODE = "123456"
TOO_SOON = "A code was sent a moment ago. Please wait."
REFUSED_PHONE = "+79160000000"
SWAPPED_PHONE = "+79161111111"
"""A check of this one confirms another phone: a client must not believe it."""
SECRET = "JBSWY3DPEHPK3PXP" * 2
URI = f"otpauth://totp/Demo:x?secret={SECRET}"
BACKUP_CODES = ["ABCD-EFGH-JKMN", "PQRS-TVWX-YZ23"]
SWAPPED_CODE = "111111"
USED_CODE = "222222"


class StubService(BaseHTTPRequestHandler):
    """One verification, `v-1`; asked: every request as (path, body, Idempotency-Key)."""

    asked: list[tuple[str, dict[str, str], str]] = []  # noqa: RUF012
    to = ""
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, body, self.headers["Idempotency-Key"]))
        if self.headers["Authorization"] != f"Bearer {API_KEY}":
            self._answer(401, {"detail": "The API key is wrong."})
        elif self.path == "/v1/verifications" and body["to"] == REFUSED_PHONE:
            self._answer(429, {"detail": TOO_SOON, "code": "too_soon"})
        elif self.path == "/v1/factors/totp":
            self._answer(201, {"id": "f-1", "label": body["label"], "secret": SECRET, "uri": URI, "qr_svg": "data:,qr"})
        elif self.path == "/v1/factors/backup-codes":
            self._answer(201, {"codes": BACKUP_CODES})
        elif self.path.endswith("/confirm") or self.path.startswith("/v1/subjects/"):
            self._answer(200, self._judged(body))
        elif self.path.endswith("/check"):
            self._answer(200, self._checked(body))
        else:
            StubService.to = body.get("to", StubService.to)
            self._answer(200, self._verification())

    def _verification(self) -> dict[str, object]:
        resend_at = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
        return {"id": "v-1", "status": "pending", "to": self.to, "attempts_left": 5, "resend_at": resend_at, "more": 1}

    def _checked(self, body: dict[str, str]) -> dict[str, object]:
        outcome = {CODE: "approved", "999999": "exhausted"}.get(body["code"], "wrong_code")
        to = REFUSED_PHONE if self.to == SWAPPED_PHONE else self.to
        approved = outcome == "approved"
        return {
            "id": "v-1",
            "outcome": outcome,
            "approved": approved,
            "attempts_left": 4,
            "to": to,
            "purpose": body["purpose"],
        }

    def _judged(self, body: dict[str, str]) -> dict[str, object]:
        """A TOTP or backup code; SWAPPED_CODE is approved for another account."""
        code = body["code"]
        outcome = {USED_CODE: "already_used"}.get(code, "wrong_code")
        if code in (CODE, SWAPPED_CODE, *BACKUP_CODES):
            outcome = "approved"
        account = body.get("subject") or self.path.split("/")[3]
        return {
            "subject": "somebody-else" if code == SWAPPED_CODE else account,
            "outcome": outcome,
            "approved": outcome == "approved",
            "factor": "backup_code" if code in BACKUP_CODES else "totp",
            "backup_codes_left": 9 if code in BACKUP_CODES else None,
        }

    def _answer(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


def start_stub() -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), StubService)
    Thread(target=server.serve_forever, daemon=True).start()
    return server
