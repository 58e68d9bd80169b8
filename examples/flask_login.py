"""Login by SMS with Flask. Run: OTP_URL=… OTP_KEY=… SECRET_KEY=… flask --app flask_login run"""

import os

from flask import Flask, jsonify, request, session
from flask.typing import ResponseReturnValue
from otp_service_client import Client, Refused

app = Flask(__name__)
app.secret_key = os.environ["SECRET_KEY"]
otp = Client(os.environ["OTP_URL"], os.environ["OTP_KEY"], max_wait_seconds=2)


@app.errorhandler(Refused)
def refused(refusal: Refused) -> ResponseReturnValue:
    status = 429 if refusal.status == 429 else 503 if refusal.status >= 500 else 400
    headers = {"Retry-After": str(int(refusal.retry_after))} if refusal.retry_after else {}
    return jsonify(detail=refusal.detail), status, headers


@app.post("/login")
def login() -> ResponseReturnValue:
    started = otp.start(request.get_json()["phone"], purpose="login", client_ip=request.remote_addr)
    session["pending"] = [started.id, started.to]  # signed by Flask, so the browser cannot choose another's id
    return jsonify(resend_at=started.resend_at.isoformat()), 202


@app.post("/login/code")
def code() -> ResponseReturnValue:
    if "pending" not in session:
        return jsonify(detail="Ask for a code first."), 400
    verification, phone = session["pending"]
    result = otp.check(verification, request.get_json()["code"], to=phone, purpose="login")
    if not result.approved:
        return jsonify(detail=f"{result.outcome}; {result.attempts_left} attempts left"), 401
    session.pop("pending")
    session["phone"] = phone
    return jsonify(phone=phone)


@app.get("/me")
def me() -> ResponseReturnValue:
    return jsonify(phone=session["phone"]) if "phone" in session else (jsonify(detail="Sign in."), 401)
