"""S-14: nobody reaches our own network by writing down a URL. Peers are heard at the socket."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import pytest

from otp_service import settings
from otp_service.domain.addresses import is_public
from otp_service.domain.networks import Network
from otp_service.errors import SettingsError
from otp_service.outbound.address_guard import AddressGuard
from otp_service.outbound.receiver import Answer, Receiver
from tests.gateways.stub import Stub
from tests.gateways.test_transport import NAME, certificate
from tests.outbound.peers import Names, recorded
from tests.running import SETTINGS

NOT_PUBLIC = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255",
    "168.63.129.16", "::1", "::", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::ffff:0:7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "100::1", "2001::1",
    "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "fe80::1%1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "77.88.8.8", "2a02:6b8::1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "192.0.1.1",
]  # fmt: skip

# What an attacker who may write a URL would write. Each is refused at start, or at the connection.
HOSTILE = [
    *(f"https://[{text}]/" if ":" in text else f"https://{text}/" for text in NOT_PUBLIC),
    "http://example.com/", "https://example.com:22/", "https://example.com:6379/", "http://127.0.0.1/",
    "https://localhost/", "https://LOCALHOST./", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/",
    "https://0177.0.0.1/", "https://127.1/", "https://127.0.1/", "https://0/", "https://127.0.0.1./",
    "https://user@127.0.0.1/", "https://example.com@127.0.0.1/", "https://127.0.0.1#@example.com/",
    "https://127.0.0.1\\@example.com/", "https://%31%32%37.0.0.1/", "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/",
    "https://[::1%25lo]/", "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL",
    "//127.0.0.1/", "https:127.0.0.1", "https://", "https://\t127.0.0.1/", "https://127.0.0.1\n.example.com/",
    "https://loopback.test/", "https://private.test/", "https://metadata.test/", "https://mapped.test/",
    "https://nat64.test/", "https://mixed.test/", "https://rebinding.test/",
]  # fmt: skip


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    found = Names()
    monkeypatch.setattr("socket.getaddrinfo", found.getaddrinfo)
    found.answers = {
        "loopback.test": [["127.0.0.1"]],
        "private.test": [["10.1.2.3"]],
        "metadata.test": [["169.254.169.254"]],
        "mapped.test": [["::ffff:127.0.0.1"]],
        "nat64.test": [["64:ff9b::7f00:1"]],
        "mixed.test": [["8.8.8.8", "127.0.0.1"]],
        "rebinding.test": [["8.8.8.8"], ["127.0.0.1"]],
    }
    return found


def loaded(url: str, tmp_path: Path, networks: Sequence[str] = ()) -> settings.Settings:
    webhook = f"[[applications.web.webhooks]]\nurl = {json.dumps(url)}\nsecret = 'whsec_{'A' * 32}'\n"
    return read(f"{SETTINGS}\n{webhook}[webhooks]\nallow_networks = {json.dumps(list(networks))}\n", tmp_path)


def read(text: str, tmp_path: Path) -> settings.Settings:
    config = tmp_path / "settings.toml"
    config.write_text(text, "utf-8")
    environ = {
        "OTP_CONFIG": str(config),
        "TEST_SECRET": "s" * 32,
        "TEST_REDIS": "redis://x",
        "TEST_SANDBOX": "http://x",
    }
    return settings.load(environ)


async def sent(url: str, networks: Sequence[str] = (), *, public: bool = True) -> Answer:
    receiver = Receiver(url, AddressGuard([Network.parse(network) for network in networks], public=public))
    try:
        return await receiver.post(b"{}", {}, seconds=2)
    finally:
        await receiver.close()


def test_which_addresses_are_public() -> None:
    assert [text for text in NOT_PUBLIC if is_public(ip_address(text))] == []
    assert [text for text in PUBLIC if not is_public(ip_address(text))] == []


def test_a_refusal_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^applications\.web\.webhooks\[0\]\.url: nothing is sent to 10\.0\.0\.1"):
        loaded("https://10.0.0.1/", tmp_path)
    assert loaded("http://10.0.0.1:8080/x", tmp_path, ["10.0.0.0/8"])


@pytest.mark.parametrize(
    ("webhook", "says"),
    [
        ("secret = 'whsec_AAAA'", "applications.web.webhooks[0].secret: must have 24 to 64 bytes"),
        (f"secret = ['whsec_{'A' * 32}', 'AAAA']", "applications.web.webhooks[0].secret: must begin with whsec_"),
        ("events = ['verification.aproved']", "applications.web.webhooks[0].events: no event is called"),
        ("events = []", "applications.web.webhooks[0].events: must name an event"),
        (f"[[applications.web.webhooks]]\nurl = 'https://x.test/'\nsecret = 'whsec_{'A' * 32}'",
         "applications.web.webhooks[1].url: this URL stands twice"),
        ("[webhooks]\nallow_networks = ['10.0.0.1/8']", "webhooks.allow_networks[0]: 10.0.0.1/8 has host bits set"),
        ("[retention]\nevents_seconds = 0", "retention.events_seconds: 0 keeps no events"),
    ],
)  # fmt: skip
def test_settings_of_webhooks_that_cannot_work_are_refused(tmp_path: Path, webhook: str, says: str) -> None:
    secret = "" if webhook.startswith("secret") else f"secret = 'whsec_{'A' * 32}'\n"
    text = f"{SETTINGS}\n[[applications.web.webhooks]]\nurl = 'https://x.test/'\n{secret}{webhook}\n"
    with pytest.raises(SettingsError) as caught:
        read(text, tmp_path)
    assert str(caught.value).startswith(says)
    assert "AAAA" not in str(caught.value)


async def test_no_hostile_url_leads_to_an_address_that_is_not_public(tmp_path: Path, names: Names) -> None:
    assert len(HOSTILE) >= 60
    accepted = []
    named = tuple(f"https://{name}/" for name in names.answers)
    with recorded() as peers:
        for url in HOSTILE:
            with suppress(SettingsError):
                loaded(url, tmp_path)
                accepted.append(url)
            # Whatever the check at the start says, the connection has one of its own: also for two deliveries.
            for _ in range(2):
                assert (await sent(url)).status == 0, url
    assert [url for url in accepted if not url.lower().startswith(("https://localhost", *named))] == []
    assert {peer for peer in peers if not is_public(ip_address(peer))} == set()
    assert "8.8.8.8" in peers  # the first answer of the rebinding name was good, so the hook hears connections


async def test_an_answer_of_the_name_server_is_used_once_and_as_a_whole(names: Names) -> None:
    with recorded() as peers:
        assert await sent("https://mixed.test/") == Answer(why="address")
        assert peers == []
        receiver = Receiver("https://rebinding.test/", AddressGuard([]))
        assert await receiver.post(b"{}", {}) == Answer(why="unreachable")
        assert await receiver.post(b"{}", {}) == Answer(why="address")
        await receiver.close()
        assert await sent("https://[::ffff:127.0.0.1]/") == Answer(why="address")
    assert set(peers) == {"8.8.8.8"}
    assert names.asked.count("rebinding.test") == 2  # the connection went to what was checked, without asking again


async def test_a_redirect_is_not_followed(stub: Stub) -> None:
    stub.status, stub.headers = 302, ("Location: http://169.254.169.254/latest/meta-data/",)
    with recorded() as peers:
        assert await sent(stub.url, ["127.0.0.0/8"]) == Answer(302)
    assert peers == ["127.0.0.1"]


async def test_private_receivers_are_reached_where_the_operator_says_so(stub: Stub, names: Names) -> None:
    local = f"http://loopback.test:{stub.port}/"
    assert (await sent(local, ["127.0.0.0/8"], public=False)).status == 200
    assert (await sent(local, ["127.0.0.1/32", "10.0.0.0/8"])).status == 200
    assert (await sent(local, ["10.0.0.0/8"])).why == "address"
    names.answers["public.test"] = [["8.8.8.8"]]
    with recorded() as peers:
        assert (await sent("http://public.test/", ["127.0.0.0/8"], public=False)).why == "address"
    assert peers == []  # plain http leads nowhere but to the operator's networks


async def test_tls_and_host_go_by_the_name_though_the_address_is_pinned(tmp_path: Path, names: Names) -> None:
    context = certificate(tmp_path)
    names.answers[NAME] = [["127.0.0.1"]]
    heard: list[str] = []
    context.sni_callback = lambda _socket, name, _context: heard.append(name)
    trusted = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    async with Stub(tls=context) as stub:
        receiver = Receiver(
            f"https://{NAME}:{stub.port}/x", AddressGuard([Network.parse("127.0.0.0/8")]), ssl_context=trusted
        )
        assert await receiver.post(b"{}", {}) == Answer(200)
        await receiver.close()
        assert heard == [NAME]
        assert stub.read[0].headers["host"] == f"{NAME}:{stub.port}"
        assert await sent(f"https://{NAME}:{stub.port}/", ["127.0.0.0/8"]) == Answer(why="certificate")
