"""What may be written into redis.url, and what is made of it."""

from __future__ import annotations

import pytest

from otp_service.errors import SettingsError
from otp_service.settings.redis_url import parse

UNDERSTOOD = [
    ("redis://127.0.0.1", "single", [("127.0.0.1", 6379)]),
    ("rediss://u:p%40ss@redis.example:6380/3?ssl_cert_reqs=required", "single", [("redis.example", 6380)]),
    ("redis+sentinel://a,b:26380/1?service=otp", "sentinel", [("a", 26379), ("b", 26380)]),
    ("rediss+cluster://:pass@[::1]:7000,[::2]:7001", "cluster", [("::1", 7000), ("::2", 7001)]),
    ("unix:///run/redis.sock?db=2", "single", []),
    ("embedded:./data", "embedded", []),
]
REFUSED = [
    ("redis://a,b", "redis\\+sentinel://"),
    ("redis://u:p@ss@host", "%40"),
    ("redis://host/zero", "a number"),
    ("redis://host?sevice=otp", "'sevice'"),
    ("redis://host?retry=11", "'retry'"),
    ("redis://host?ssl_ca_certs=/ca.pem", "'ssl_ca_certs'"),
    ("redis+sentinel://a:26379/0", "service=otp"),
    ("redis+sentinel://a:0/0?service=otp", "host:26379"),
    ("redis+sentinel://a,,b/0?service=otp", "begin|scheme|address"),
    ("redis+cluster://a/1", "database 0"),
    ("redis+cluster://a?service=otp", "'service'"),
    ("redis+cluster://", "must begin"),
    ("sentinel://a", "must begin"),
]


@pytest.mark.parametrize(("text", "kind", "hosts"), UNDERSTOOD, ids=lambda value: str(value)[:20])
def test_understood(text: str, kind: str, hosts: list[tuple[str, int]]) -> None:
    found = parse(text)
    assert (found.kind, list(found.hosts)) == (kind, hosts)


@pytest.mark.parametrize(("text", "sentence"), REFUSED, ids=[text for text, _ in REFUSED])
def test_refused(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as told:
        parse(text)
    assert str(told.value).startswith("redis.url: ")
    assert "p@ss" not in str(told.value)


def test_servers_and_sentinels_have_logins_of_their_own() -> None:
    url = parse("rediss+sentinel://u:p%2Fw@a,[::1]:1/2?service=otp&sentinel_password=s%2Ft&ssl_ca_certs=/ca.pem")
    assert url.of_server(("10.0.0.1", 6380)) == "rediss://u:p%2Fw@10.0.0.1:6380/2?ssl_ca_certs=%2Fca.pem"
    assert url.of_sentinel(("::1", 1)) == "rediss://:s%2Ft@[::1]:1/?ssl_ca_certs=%2Fca.pem"
    assert set(url.secrets) == {"p/w", "s/t"}
    assert "p/w" not in repr(url)
    assert "p%2Fw" not in repr(url)
