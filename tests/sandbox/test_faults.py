"""Each fault as a client meets it on the wire."""

from __future__ import annotations

import asyncio
import time
from xml.etree.ElementTree import ParseError, fromstring

import httpx
import pytest

from otp_service.sandbox.app import create_sandbox
from otp_service.sandbox.gateways import OPERATIONS
from otp_service.sandbox.gateways.operation import Operation

from .speak import PHONE, Sandbox, security, sms

REQUEST = f"<request>{security()}{sms()}</request>".encode()


async def post(sandbox: Sandbox, timeout: float = 5) -> httpx.Response:
    return await sandbox.http.post("/xml/", content=REQUEST, timeout=timeout)


async def raw(sandbox: Sandbox) -> tuple[bytes, str]:
    """What comes over a bare socket, and how it ends: `end` or `reset`."""
    reader, writer = await asyncio.open_connection(sandbox.http.base_url.host, sandbox.http.base_url.port)
    writer.write(b"POST /xml/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(REQUEST), REQUEST))
    received = b""
    try:
        while piece := await reader.read(4096):
            received += piece
    except ConnectionResetError:
        return received, "reset"
    finally:
        writer.close()
    return received, "end"


@pytest.mark.parametrize(("fault", "sent"), [("reset", 0), ("processed_then_reset", 1)])
async def test_reset(sandbox: Sandbox, fault: str, sent: int) -> None:
    await sandbox.fault(fault, gateway="xml")

    assert await raw(sandbox) == (b"", "reset")
    assert len(await sandbox.messages(PHONE)) == sent
    assert (await post(sandbox)).status_code == 200


@pytest.mark.parametrize(("fault", "sent"), [("stall", 0), ("processed_then_stall", 1)])
async def test_stall_is_silence_and_then_the_end(sandbox: Sandbox, fault: str, sent: int) -> None:
    await sandbox.fault(fault, gateway="xml", seconds=0.3, times=2)

    with pytest.raises(httpx.ReadTimeout):
        await post(sandbox, timeout=0.1)
    assert await raw(sandbox) == (b"", "end")
    assert len(await sandbox.messages(PHONE)) == sent * 2


async def test_latency(sandbox: Sandbox) -> None:
    await sandbox.fault("latency", gateway="xml", seconds=0.3)
    begun = time.monotonic()

    assert b">send<" in (await post(sandbox)).content
    assert time.monotonic() - begun >= 0.3


async def test_cut(sandbox: Sandbox) -> None:
    await sandbox.fault("cut", gateway="xml", times=2)

    received, end = await raw(sandbox)
    with pytest.raises(httpx.RemoteProtocolError):
        await post(sandbox)

    body = received.partition(b"\r\n\r\n")[2]
    assert end == "end"
    assert body.startswith(b"<?xml")
    assert b"</response>" not in body
    assert len(await sandbox.messages(PHONE)) == 2


async def test_drip_outlives_every_read_timeout(sandbox: Sandbox) -> None:
    await sandbox.fault("drip", gateway="xml", seconds=0.6)
    begun = time.monotonic()

    response = await post(sandbox, timeout=0.3)

    assert time.monotonic() - begun >= 0.5
    assert fromstring(response.content)[0].text == "send"


@pytest.mark.parametrize("processed", [False, True])
@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_status_with_an_html_page(sandbox: Sandbox, status: int, processed: bool) -> None:
    await sandbox.fault("status", gateway="xml", status=status, processed=processed)

    response = await post(sandbox)

    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert str(status) in response.text
    assert len(await sandbox.messages(PHONE)) == processed


async def test_bodies_that_are_no_answer(sandbox: Sandbox) -> None:
    bodies = {}
    for fault in ("html", "empty", "empty_response", "garbage"):
        await sandbox.fault(fault, gateway="xml")
        response = await post(sandbox)
        assert response.status_code == 200
        bodies[fault] = response.content

    assert bodies["html"].startswith(b"<!DOCTYPE html>")
    assert bodies["empty"] == b""
    assert bodies["empty_response"] == b"<response></response>"
    with pytest.raises(ParseError):
        fromstring(bodies["garbage"])
    assert await sandbox.messages(PHONE) == []


async def test_bodies_that_are_an_answer_in_disguise(sandbox: Sandbox) -> None:
    bodies = {}
    for fault in ("bom", "windows1251", "extra_attributes"):
        await sandbox.fault(fault, gateway="xml")
        bodies[fault] = (await post(sandbox)).content

    assert bodies["bom"].startswith(b"\xef\xbb\xbf<?xml")
    assert b'encoding="windows-1251"' in bodies["windows1251"]
    assert {"err", "id_turn", "extra", "id_sms"} < set(fromstring(bodies["extra_attributes"])[0].keys())
    assert len(await sandbox.messages(PHONE)) == 3


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_every_operation_can_be_spoilt(sandbox: Sandbox, operation: Operation) -> None:
    """By its own name, and no other operation with it."""
    await sandbox.fault("status", gateway=operation.name, status=502)
    await sandbox.fault("error", gateway=operation.name, error="Ошибка")
    await sandbox.fault("media_type", gateway=operation.name)
    other = await sandbox.http.post("/xml/" if operation.name != "xml" else "/xml/state.php")
    answers = [await sandbox.http.post(operation.path) for _ in range(3)]

    assert other.status_code == 200
    assert [answer.status_code for answer in answers] == [502, 200, 200]
    assert answers[1].text == operation.say_error("Ошибка")
    assert answers[2].headers["content-type"] == "application/octet-stream"
    assert [row["fault"] for row in await sandbox.requests(operation.name)] == ["media_type", "error", "status"]


async def test_answers_between_junk(sandbox: Sandbox) -> None:
    bodies = []
    for fault in ("blank_lines", "trailing_junk"):
        await sandbox.fault(fault, gateway="xml")
        bodies.append((await post(sandbox)).content)

    assert bodies[0].startswith(b"\r\n\n<?xml")
    assert bodies[1].endswith(b"</response></ base>")


async def test_shuffled(sandbox: Sandbox) -> None:
    await sandbox.fault("shuffled", gateway="xml")
    await sandbox.fault("shuffled", gateway="smska")

    answer = await sandbox.xml("/xml/", sms() + sms().replace('number_sms="1"', 'number_sms="2"'))

    assert [information.get("number_sms") for information in answer] == ["2", "1"]
    assert (await sandbox.smska_send()).startswith("0|Message sent")


async def test_windows_1251_bytes(sandbox: Sandbox) -> None:
    await sandbox.fault("windows1251", gateway="state")

    body = (await sandbox.http.post("/xml/state.php", content=b"")).content

    assert "POST данные отсутствуют".encode("windows-1251") in body


async def test_error_in_the_words_of_the_gateway(sandbox: Sandbox) -> None:
    await sandbox.fault("error", gateway="xml", error="Всё <плохо>")
    await sandbox.fault("error", gateway="smska", error="-3|Sent Error")

    assert fromstring((await post(sandbox)).content).findtext("error") == "Всё <плохо>"
    assert await sandbox.smska_send() == "-3|Sent Error"
    assert await sandbox.messages() == []


async def test_whom_and_how_often(sandbox: Sandbox) -> None:
    await sandbox.fault("empty", gateway="smska", times=2)
    await sandbox.fault("status", gateway="*", times=None, status=500)

    assert [await sandbox.smska_send() for _ in range(2)] == ["", ""]
    assert [(await post(sandbox)).status_code for _ in range(3)] == [500] * 3
    left = (await sandbox.http.get("/_sim/faults")).json()
    assert [(row["fault"]["fault"], row["left"]) for row in left] == [("status", None)]
    await sandbox.http.delete("/_sim/faults")
    assert (await post(sandbox)).status_code == 200


async def test_probability(sandbox: Sandbox) -> None:
    await sandbox.fault("empty", gateway="smska", times=None, probability=0.5)

    answers = [await sandbox.smska(Action="balance") for _ in range(60)]

    assert 10 < answers.count("") < 50


async def test_in_process_a_reset_is_an_exception() -> None:
    transport = httpx.ASGITransport(app=create_sandbox(seed="1"))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        assert b">send<" in (await client.post("/xml/", content=REQUEST)).content
        await client.post("/_sim/faults", json={"fault": "reset"})
        with pytest.raises(ConnectionResetError):
            await client.post("/xml/", content=REQUEST)
