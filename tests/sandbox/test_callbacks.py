"""X5: what the client's server is told, how often, and what makes the gateway believe that it was heard."""

from __future__ import annotations

import asyncio
import re
from xml.etree.ElementTree import fromstring

import pytest
from aiohttp import web

from .receiver import Receiver
from .speak import Sandbox, password_request, sms
from .test_samples import shape

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


async def test_a_final_state_is_told_once(sandbox: Sandbox, receiver: Receiver, sample) -> None:
    id_sms = (await sandbox.send(sms())).attrib["id_sms"]
    await sandbox.advance(1)
    assert receiver.posts == []

    await sandbox.advance(2)
    await sandbox.advance(10_000)

    assert [[(told, word) for told, _, word in post] for post in receiver.posts] == [[(id_sms, "deliver")]]
    assert re.fullmatch(TIME, receiver.posts[0][0][1])
    assert receiver.posts[0][0][1] == (await sandbox.state(id_sms)).get("time")
    assert receiver.content_types == ["text/xml; charset=utf-8"]
    assert shape(fromstring(receiver.raw[0])) == shape(fromstring(sample("x5_request.xml")))


async def test_the_log(sandbox: Sandbox, receiver: Receiver) -> None:
    id_sms = (await sandbox.send(sms())).attrib["id_sms"]
    await sandbox.advance(3)

    [post] = await sandbox.callbacks()
    assert post.pop("at").endswith("Z")
    time = receiver.posts[0][0][1]
    assert post == {
        "login": "demo",
        "url": receiver.url,
        "states": [{"id_sms": id_sms, "state": "deliver", "time": time, "attempt": 1}],
        "outcome": "HTTP 200",
        "acknowledged": [id_sms],
    }


@pytest.mark.parametrize(
    ("ending", "word"),
    [
        ("03", "not_deliver"),
        ("04", "expired"),
        ("05", "partly_deliver"),
        ("06", "not_deliver"),
        ("08", "deliver"),
        ("09", "read"),
        ("02", None),
    ],
)
async def test_words(sandbox: Sandbox, receiver: Receiver, ending: str, word: str | None) -> None:
    await sandbox.send(sms(f"791612345{ending}"))
    await sandbox.advance(3)

    assert [told[2] for post in receiver.posts for told in post] == ([word] if word else [])


async def test_all_gateways_of_the_platform_and_no_other(sandbox: Sandbox, receiver: Receiver) -> None:
    by_x = (await sandbox.send(sms())).attrib["id_sms"]
    by_p = (await sandbox.ask("/password_generation/api.php", password_request()))[0].attrib["id_sms"]
    await sandbox.smska_send()
    await sandbox.advance(3)

    assert [told[0] for post in receiver.posts for told in post] == [by_x, by_p]


async def test_at_most_100_states_in_a_post(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.xml("/xml/", "".join(sms(f"7916123{number:04}") for number in range(2000, 2230) if number % 100 > 11))
    await sandbox.advance(3)

    assert [len(post) for post in receiver.posts] == [100, 94]


async def test_only_acknowledged_ids_are_believed(sandbox: Sandbox, receiver: Receiver) -> None:
    heard, unheard = [(await sandbox.send(sms())).attrib["id_sms"] for _ in range(2)]
    receiver.answer = lambda ids: web.Response(text=f"<response><id_sms> {heard} </id_sms></response>")
    await sandbox.advance(3)
    await sandbox.advance(30)

    assert [[told[0] for told in post] for post in receiver.posts] == [[heard, unheard], [unheard]]


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=500, text="<response><id_sms>{}</id_sms></response>"),
        web.Response(status=204),
        web.Response(text="OK {}"),
        web.Response(text="<answer><id_sms>{}</id_sms></answer>"),
        web.Response(text="<response><sms>{}</sms></response>"),
        web.Response(status=302, headers={"Location": "/state"}),
        web.Response(text="<response><id_sms>{}</id_sms></response>" + " " * 300_000),
    ],
    ids=["500", "204", "no XML", "another root", "another element", "redirect", "too long"],
)
async def test_five_attempts_with_growing_gaps(sandbox: Sandbox, receiver: Receiver, answer: web.Response) -> None:
    id_sms = (await sandbox.send(sms())).attrib["id_sms"]
    receiver.answer = lambda _: web.Response(
        status=answer.status, text=(answer.text or "").format(id_sms), headers={**answer.headers}
    )
    seen = []
    for seconds in (3, 25, 6, 50, 12, 280, 25, 850, 60, 100_000):
        await sandbox.advance(seconds)
        seen.append(len(receiver.posts))

    assert seen == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert {post["outcome"] for post in await sandbox.callbacks()} <= {f"HTTP {answer.status}", "no answer: ValueError"}
    assert [post["states"][0]["attempt"] for post in await sandbox.callbacks()] == [5, 4, 3, 2, 1]


async def test_a_dead_server_is_tried_again(sandbox: Sandbox, receiver: Receiver) -> None:
    url = receiver.url
    await sandbox.account(callback_url="http://127.0.0.1:9/state")
    await sandbox.xml("/xml/", sms() * 150)
    await sandbox.advance(3)
    await sandbox.account(callback_url=url)
    await sandbox.advance(30)

    assert [(post["outcome"], len(post["states"])) for post in reversed(await sandbox.callbacks())] == [
        ("no answer: ConnectError", 100),
        ("HTTP 200", 100),
        ("HTTP 200", 50),
    ]


@pytest.mark.slow
async def test_a_slow_server_acknowledges_nothing(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.send(sms())
    receiver.delay = 5.5
    sandbox.http.timeout = 10
    await sandbox.advance(3)

    [post] = await sandbox.callbacks()
    assert (post["outcome"], post["acknowledged"]) == ("no answer: TimeoutError", [])


async def test_by_itself_as_time_goes_by(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.send(sms())
    await sandbox.advance(1.9)
    for _ in range(40):
        if receiver.posts:
            break
        await asyncio.sleep(0.1)

    assert len(receiver.posts) == 1


@pytest.mark.parametrize("gateway", ["xml", "password"])
async def test_ending_10_is_told_before_the_answer(sandbox: Sandbox, receiver: Receiver, gateway: str) -> None:
    phone, told_at, loop = "79161234510", [], asyncio.get_running_loop()
    receiver.delay = 0.3

    def note(ids: list[str]) -> web.Response:
        told_at.append(loop.time())
        return web.Response(text=f"<response><id_sms>{ids[0]}</id_sms></response>")

    receiver.answer = note
    if gateway == "xml":
        answer = await sandbox.send(sms(phone))
    else:
        answer = (await sandbox.ask("/password_generation/api.php", password_request(phone)))[0]
    answered_at = loop.time()
    await sandbox.advance(10_000)

    assert [(told[0], told[2]) for post in receiver.posts for told in post] == [(answer.get("id_sms"), "deliver")]
    assert told_at[0] < answered_at


async def test_ending_11_is_told_twice(sandbox: Sandbox, receiver: Receiver) -> None:
    id_sms = (await sandbox.send(sms("79161234511"))).attrib["id_sms"]
    await sandbox.advance(3)
    await sandbox.advance(10_000)

    assert [[told[0] for told in post] for post in receiver.posts] == [[id_sms], [id_sms]]


async def test_scheduled_and_dying_messages_are_told_too(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.account(utc_offset_hours=0)
    await sandbox.send(sms(time_send="2100-01-01 12:00"))
    await sandbox.send(sms(time_send="2100-01-01 12:00", validity_period="2100-01-01 11:00"))
    await sandbox.account(money=0)
    await sandbox.send(sms(validity_period="2099-01-01 00:00"))
    await sandbox.account(money=100)
    for _ in range(9):
        await sandbox.advance(10 * 365.25 * 86400)

    assert sorted(told[2] for post in receiver.posts for told in post) == ["deliver", "deliver", "expired"]


async def test_no_address_no_report(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.account(callback_url="")
    await sandbox.send(sms())
    await sandbox.advance(3)
    await sandbox.account(callback_url=receiver.url)
    await sandbox.advance(10_000)

    assert receiver.posts == []
    assert await sandbox.callbacks() == []


async def test_reset_forgets_what_was_to_be_told(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.send(sms())
    await sandbox.http.post("/_sim/reset")
    await sandbox.account(callback_url=receiver.url)
    await sandbox.advance(10_000)

    assert receiver.posts == []
