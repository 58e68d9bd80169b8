"""X20 beyond the sample: filters, times, what is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .speak import Sandbox, password_request, sms


async def stats(sandbox: Sandbox, **wanted: str) -> list[str | None]:
    attributes = "".join(f' {key}="{value}"' for key, value in wanted.items())
    [answer] = await sandbox.operation("stats", f"<stats{attributes}/>")
    assert answer.get("num_stats") == str(len(answer))
    return [stat.get("id_sms") for stat in answer]


async def test_statistics_filters(sandbox: Sandbox) -> None:
    day = str((datetime.now(UTC) - timedelta(days=1)).date())  # today may end meanwhile
    mts = (await sandbox.send(sms("79161234567"))).get("id_sms")
    mega = (await sandbox.send(sms("79221234503", sender="target"))).get("id_sms")
    by_p = (await sandbox.ask("/password_generation/api.php", password_request("+79031234567")))[0].get("id_sms")
    await sandbox.send(sms("79161234502"))
    await sandbox.send(sms(time_send="2100-01-01 12:00"))
    assert await stats(sandbox, date_start=day) == []
    await sandbox.advance(3)

    assert await stats(sandbox, date_start=day) == [mts, mega, by_p]
    assert await stats(sandbox, date_start=day, state="deliver") == [mts, by_p]
    assert await stats(sandbox, date_start=day, state="not_deliver") == [mega]
    assert await stats(sandbox, date_start=day, operator="Beeline") == [by_p]
    assert await stats(sandbox, date_start=day, phone="79161234567") == [mts]
    assert await stats(sandbox, date_start=day, originator="DEMO", operator="МТС", state="") == [mts]
    assert await stats(sandbox, date_start=day, originator="nobody") == []


async def test_statistics_of_a_time(sandbox: Sandbox) -> None:
    """From a minute of one day to a minute of another; by default today, from the first hour to the last."""
    await sandbox.account(utc_offset_hours=0)
    today = datetime.now(UTC).date()
    await sandbox.advance(86400 - (datetime.now(UTC).timestamp() % 86400) + 10 * 3600 + 1800)  # tomorrow, 10:30
    id_sms = (await sandbox.send(sms())).get("id_sms")
    await sandbox.advance(3)
    tomorrow = (today + timedelta(days=1)).isoformat()

    assert await stats(sandbox) == [id_sms]
    assert await stats(sandbox, date_start=tomorrow, date_stop=tomorrow, to_hour="59", to_minute="59") == [id_sms]
    for wanted in (
        {"from_hour": "10", "from_minute": "30"},
        {"to_hour": "10", "to_minute": "30"},
        {"from_hour": "10", "to_hour": "10"},
    ):
        assert await stats(sandbox, **wanted) == [id_sms]
    for wanted in (
        {"from_hour": "10", "from_minute": "31"},
        {"to_hour": "10", "to_minute": "29"},
        {"date_start": today.isoformat(), "date_stop": today.isoformat()},
        {"date_start": "2100-01-01", "date_stop": "2100-01-01"},
    ):
        assert await stats(sandbox, **wanted) == []


async def test_statistics_are_kept_three_months(sandbox: Sandbox) -> None:
    id_sms = (await sandbox.send(sms())).get("id_sms")
    await sandbox.advance(91 * 86400)
    assert await stats(sandbox, date_start="2020-01-01") == [id_sms]

    await sandbox.advance(2 * 86400)

    assert await stats(sandbox, date_start="2020-01-01") == []
