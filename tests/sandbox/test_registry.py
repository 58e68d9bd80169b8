"""X23 and X24: from posting a sender name to its deletion."""

from __future__ import annotations

from otp_service.sandbox.gateways.xml_registry import ALREADY_ADDED, ALREADY_DELETED, NO_FIELD, NO_OPERATOR, NOT_FOUND

from .speak import Sandbox


async def registry(sandbox: Sandbox, adds: str = "", deletes: str = "") -> list[tuple[str | None, str | None]]:
    blocks = f"<registry_originator>{adds}</registry_originator>" if adds else ""
    blocks += f"<delete_registry_originator>{deletes}</delete_registry_originator>" if deletes else ""
    answer = await sandbox.operation("registry_originator", blocks)
    return [(one.get("status"), one.get("error")) for block in answer for one in block]


def name(operator: str = "mts", originator: str = "OTP", inn: str = "77") -> str:
    return f'<originator originator="{originator}" operator="{operator}" legal_entity="ООО" inn="{inn}"/>'


async def test_registry_errors(sandbox: Sandbox) -> None:
    assert await registry(sandbox, name() + name() + name("yota") + name(inn="")) == [
        ("add", ""),
        ("error", ALREADY_ADDED),
        ("error", NO_OPERATOR),
        ("error", NO_FIELD),
    ]
    only_otp = '<originator originator="OTP"/>'
    assert await registry(sandbox, deletes=only_otp + only_otp + '<originator originator="X"/>') == [
        ("delete", ""),
        ("error", ALREADY_DELETED),
        ("not_found", NOT_FOUND),
    ]


async def test_registry_from_posting_to_deletion(sandbox: Sandbox) -> None:
    await registry(sandbox, name() + name("mega") + name(originator="Other", inn="78"))

    async def listed(**wanted: str) -> list[tuple[str | None, ...]]:
        attributes = "".join(f' {key}="{value}"' for key, value in wanted.items())
        [answer] = await sandbox.operation("list_registry_originator", f"<registry_originator{attributes}/>")
        found = [(operator.get("name"), one) for operator in answer for one in operator]
        return [(operator, one.get("originator"), one.get("status_text")) for operator, one in found]

    async def decide(status: str, code: int = 200, **changes: str) -> None:
        decision = {"originator": "OTP", "operator": "mts", "status": status} | changes
        assert (await sandbox.http.post("/_sim/registry", json=decision)).status_code == code

    posted = "Подано на согласование"
    assert await listed() == [("mts", "OTP", posted), ("mts", "Other", posted), ("mega", "OTP", posted)]
    assert await listed(operator="mega") == [("mega", "OTP", posted)]
    assert await listed(inn="78") == await listed(originator="Other") == [("mts", "Other", posted)]
    for status, text in [
        ("send_for_approval", "Отправлено на согласование"),
        ("approval", "Согласовано"),
        ("not_approval", "Не согласовано"),
    ]:
        await decide(status)
        assert (await listed(operator="mts"))[0][2] == text
    assert await registry(sandbox, name()) == [("add", "")]  # what was refused may be posted again
    await registry(sandbox, deletes='<originator originator="OTP" operator="mts"/>')
    assert await listed(originator="OTP") == [("mts", "OTP", "Подано на удаление"), ("mega", "OTP", posted)]
    await decide("delete")
    assert (await listed(originator="OTP"))[0][2] == "Удалено"
    await decide("delete", 404, originator="nobody")
    await decide("maybe", 400)
