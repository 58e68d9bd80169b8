"""TOTP by the facade: entities, factors, challenges."""

from __future__ import annotations

import re
import uuid

import httpx
import pyotp
import pytest

from tests.twilio.conftest import WEB
from tests.twilio.facade import Twilio, error

FACTOR = {
    "sid", "account_sid", "service_sid", "entity_sid", "identity", "binding", "options", "date_created", "date_updated",
    "friendly_name", "status", "factor_type", "config", "metadata", "url",
}  # fmt: skip


@pytest.fixture
def identity() -> str:
    return str(uuid.uuid4())


async def enrol(twilio: Twilio, identity: str, **fields: str) -> httpx.Response:
    form = {"FriendlyName": "Phone", "FactorType": "totp", **fields}
    return await twilio.http.post(f"/Services/{WEB}/Entities/{identity}/Factors", data=form)


async def test_enrol_verify_challenge_delete(twilio: Twilio, identity: str) -> None:
    base = f"/Services/{WEB}/Entities/{identity}"
    made = await enrol(twilio, identity, Metadata='{"os": "x"}')
    assert made.status_code == 201, made.text
    factor = made.json()
    assert set(factor) == FACTOR
    assert re.fullmatch("YF[0-9a-f]{32}", factor["sid"])
    assert re.fullmatch("YE[0-9a-f]{32}", factor["entity_sid"])
    assert (factor["status"], factor["identity"], factor["metadata"]) == ("unverified", identity, {"os": "x"})
    assert factor["config"] == {"alg": "sha1", "skew": 1, "code_length": 6, "time_step": 30}
    totp = pyotp.parse_uri(factor["binding"]["uri"])
    assert isinstance(totp, pyotp.TOTP)
    assert totp.secret == factor["binding"]["secret"]
    path = f"{base}/Factors/{factor['sid']}"
    wrong = f"{(int(totp.now()) + 1) % 1_000_000:06}"
    assert (await twilio.http.post(path, data={"AuthPayload": wrong})).json()["status"] == "unverified"
    verified = await twilio.http.post(path, data={"AuthPayload": totp.now()})
    assert (verified.status_code, verified.json()["status"], verified.json()["binding"]) == (200, "verified", None)
    assert (await twilio.http.get(path)).json()["status"] == "verified"
    listed = (await twilio.http.get(f"{base}/Factors")).json()
    assert [one["sid"] for one in listed["factors"]] == [factor["sid"]]
    # A code is accepted once: that of the verification is spent.
    spent = {"FactorSid": factor["sid"], "AuthPayload": totp.now()}
    challenge = await twilio.http.post(f"{base}/Challenges", data=spent)
    assert challenge.status_code == 201, challenge.text
    assert (challenge.json()["status"], challenge.json()["factor_sid"]) == ("pending", factor["sid"])
    import time

    following = totp.at(int(time.time()) + 30)
    approved = await twilio.http.post(f"{base}/Challenges", data={**spent, "AuthPayload": following})
    assert approved.json()["status"] == "approved"
    assert re.fullmatch("YC[0-9a-f]{32}", approved.json()["sid"])
    error(
        await twilio.http.post(f"{base}/Challenges", data={"FactorSid": "YF" + "0" * 32, "AuthPayload": "123456"}),
        404,
        20404,
    )
    assert (await twilio.http.delete(path)).status_code == 204
    error(await twilio.http.get(path), 404, 20404)
    assert (await twilio.http.delete(base)).status_code == 204


async def test_a_secret_and_settings_of_the_caller_s(twilio: Twilio, identity: str) -> None:
    secret = pyotp.random_base32()
    fields = {"Binding.Secret": secret, "Config.Alg": "sha256", "Config.CodeLength": "8", "Config.TimeStep": "30"}
    factor = (await enrol(twilio, identity, **fields)).json()
    assert factor["binding"]["secret"] == secret
    assert factor["config"] == {"alg": "sha256", "skew": 1, "code_length": 8, "time_step": 30}
    totp = pyotp.parse_uri(factor["binding"]["uri"])
    assert isinstance(totp, pyotp.TOTP)
    path = f"/Services/{WEB}/Entities/{identity}/Factors/{factor['sid']}"
    assert (await twilio.http.post(path, data={"AuthPayload": totp.now()})).json()["status"] == "verified"


async def test_what_is_refused(twilio: Twilio, identity: str) -> None:
    error(await enrol(twilio, identity, FactorType="push"), 403, 60204)
    error(await enrol(twilio, identity, FactorType="magic"), 400, 60200)
    error(await enrol(twilio, "short"), 400, 60200)
    error(await enrol(twilio, identity, **{"Binding.Secret": "!!"}), 400, 60200)
    error(await enrol(twilio, identity, **{"Config.CodeLength": "4"}), 400, 60200)
    entity = await twilio.http.post(f"/Services/{WEB}/Entities", data={"Identity": identity})
    assert (entity.status_code, entity.json()["identity"]) == (201, identity)
