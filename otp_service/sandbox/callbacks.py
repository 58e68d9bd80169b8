"""X5: the gateway posts final states to the client's address, and believes only the ids that the answer repeats.

Ours, for X5 is silent: at most 100 states in a POST, 5 s for the answer, the gaps between the attempts (`reports.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from ipaddress import ip_address
from xml.etree.ElementTree import ParseError

import httpx
from defusedxml.ElementTree import fromstring

from otp_service.sandbox.accounts import Account, AccountKey
from otp_service.sandbox.cascades import catch_up
from otp_service.sandbox.gateways.states import WORDS
from otp_service.sandbox.gateways.xml_wire import document, element
from otp_service.sandbox.reports import GAPS, Post, Report, ReportedState
from otp_service.sandbox.state import Sandbox
from otp_service.sandbox.times import SECOND, write_time

BATCH = 100
WAIT_SECONDS = 5.0
"""Real seconds, whatever the sandbox's clock says."""
TICK_SECONDS = 0.1
LONGEST_ANSWER = 256 * 1024
HEADERS = {"Content-Type": "text/xml; charset=utf-8"}


class Callbacks:
    """anywhere: whether reports may go to other machines; otherwise only loopback addresses get any."""

    def __init__(self, sandbox: Sandbox, *, anywhere: bool) -> None:
        self._sandbox = sandbox
        self._anywhere = anywhere
        self._posting = asyncio.Lock()
        self._client = httpx.AsyncClient(
            timeout=None,  # noqa: S113  # asyncio.timeout, below
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),  # nothing stays open between two POSTs
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def run(self) -> None:
        """For as long as the sandbox lives."""
        while True:
            await self.send_due()
            await asyncio.sleep(TICK_SECONDS)

    async def send_due(self) -> None:
        """All that is due, and what becomes due by it. Returns when the clients have answered or their time is up."""
        async with self._posting:
            catch_up(self._sandbox)
            while due := self._sandbox.reports.take_due(self._sandbox.clock.now()):
                await self._send(due)

    async def send_early(self) -> None:
        """What must arrive before the answer to the request that is being worked on (ending 10)."""
        if self._sandbox.reports.early:
            async with self._posting:
                await self._send(self._sandbox.reports.take_early())

    async def _send(self, reports: list[Report]) -> None:
        """Reports of an account without an address are dropped."""
        by_account: defaultdict[AccountKey, list[Report]] = defaultdict(list)
        for report in reports:
            by_account[report.message.account].append(report)
        for key, its_reports in by_account.items():
            if self._sandbox.accounts[key].callback_url:
                await self._send_to(self._sandbox.accounts[key], its_reports)

    async def _send_to(self, account: Account, reports: list[Report]) -> None:
        """A client that does not answer one POST gets no other in this round; the rest counts as tried."""
        reachable = True
        for start in range(0, len(reports), BATCH):
            batch = reports[start : start + BATCH]
            for report in batch:
                report.attempts += 1
            acknowledged: list[str] = []
            if reachable:
                post = await self._post(account, batch)
                reachable, acknowledged = post.outcome.startswith("HTTP"), post.acknowledged
            for report in batch:
                if self._sandbox.messages.get(report.message.id) is not report.message:
                    continue  # the sandbox was reset meanwhile
                now = self._sandbox.clock.now()
                if report.message.id not in acknowledged:
                    if report.attempts < len(GAPS):
                        self._sandbox.reports.add(report, now + GAPS[report.attempts])
                elif report.again:
                    self._sandbox.reports.add(Report(report.message), now)

    async def _post(self, account: Account, batch: list[Report]) -> Post:
        now = self._sandbox.clock.now()
        states = []
        for report in batch:
            status, since = report.message.status_at(now)
            time = write_time(account, since, SECOND)
            states.append(ReportedState(report.message.id, WORDS[status], time, report.attempts))
        post = Post(now, account.login, account.callback_url, states)
        self._sandbox.posts.append(post)
        if not (self._anywhere or _is_loopback(account.callback_url)):
            post.outcome = "not posted: not a loopback address"
            return post
        elements = [element("state", state.state, id_sms=state.id_sms, time=state.time) for state in states]
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                answer = await self._ask(account.callback_url, document("request", elements))
            post.outcome = f"HTTP {answer.status_code}"
            if answer.status_code == httpx.codes.OK:  # `<response><id_sms>…`; nothing in any other document
                with contextlib.suppress(ParseError, ValueError, LookupError):
                    root = fromstring(answer.content, forbid_dtd=True)
                    found = root.findall("id_sms") if root.tag == "response" else []
                    post.acknowledged = [(each.text or "").strip() for each in found]
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            post.outcome = f"no answer: {type(error).__name__}"
        return post

    async def _ask(self, url: str, body: str) -> httpx.Response:
        """Raises ValueError if the answer is too long."""
        request = self._client.build_request("POST", url, content=body.encode(), headers=HEADERS)
        response = await self._client.send(request, stream=True)
        try:
            content = b""
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > LONGEST_ANSWER:
                    raise ValueError("answer too long")
        finally:
            await response.aclose()
        return httpx.Response(response.status_code, content=content)


def _is_loopback(url: str) -> bool:
    try:
        host = httpx.URL(url).host
        return host == "localhost" or ip_address(host).is_loopback
    except (httpx.InvalidURL, ValueError):
        return False
