"""What is bounded in characters ends in bytes: at its longest, of the longest characters, it is kept whole or refused
with 422 before anything is written (H-3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api import Api, Gateways

# Four bytes, four bytes that nobody assigned, a mark that joins what is before it, and what is escaped somewhere.
LONGEST = ("\U0001f9d1", "\U0010fffd", "\u0301", "é", '"', "\\", "&", "<")
NOT_IN_AN_SMS = ("\U0010fffd", "\\")


@pytest.mark.parametrize("character", LONGEST, ids=ascii)
async def test_h3_a_start(api: Api, gateways: Gateways, phone: str, character: str) -> None:
    reference = character * 128
    started = await api.start(phone, reference=reference, client={"device": character * 256})
    assert started.status_code == 201, started.text
    assert (await api.status(started.json()["id"])).json()["reference"] == reference
    assert (await api.start(phone, reference=reference + character)).status_code == 422


@pytest.mark.parametrize("character", LONGEST, ids=ascii)
async def test_h3_a_delivery(theirs: Api, gateways: Gateways, phone: str, character: str) -> None:
    """A text has two SMS at most, whatever its letters are."""
    answer = await theirs.http.post("/v1/deliveries", json={"to": phone, "text": character * 400})
    assert answer.status_code == 422, answer.text
    assert await gateways.messages(phone) == []
    answer = await theirs.http.post("/v1/deliveries", json={"to": phone, "text": character * 60})
    assert answer.status_code == (422 if character in NOT_IN_AN_SMS else 201), answer.text
    assert [each["text"] for each in await gateways.messages(phone)] == [character * 60] * (answer.status_code == 201)


@pytest.mark.parametrize("character", LONGEST, ids=ascii)
async def test_h3_an_import(api: Api, character: str) -> None:
    """Label, issuer and name at their longest: enrolled and shown, or refused by the row."""
    row: dict[str, Any] = {"subject": f"longest{ord(character)}", "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}
    row |= dict.fromkeys(("label", "issuer", "name"), character * 64)
    answer = await api.post("/v1/factors/totp/import", {"rows": [row]})
    assert answer.status_code in (200, 422), answer.text
    kept = (await api.http.get(f"/v1/subjects/{row['subject']}")).json()["totp"]
    assert [factor["name"] for factor in kept] == [row["name"]] * answer.json().get("imported", 0), answer.text
