"""TLS and logins, also of Sentinels. Debian's Redis: Valkey's wheel is built without TLS."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis

from otp_service import settings
from otp_service.errors import SettingsError, StorageUnavailable
from otp_service.storage import preflight
from otp_service.storage.connection import Script, open_database
from tests.topologies.certificates import certificate
from tests.topologies.network import known, network, real
from tests.topologies.servers import BUS, DATA, Node, binaries, port_with_bus, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("redis" not in binaries(), reason="needs a redis-server with TLS"),
]
USER = (
    *("--user", "otp", "on", ">pa:ss/word", "~otp:*", "+@all"),
    *("--user", "default", "on", ">inner", "~*", "&*", "+@all", "--masterauth", "inner"),
)
LOGIN = "otp:pa%3Ass%2Fword"
_DRAW = Script.load("gateway/draw_client_ids")


def listens(number: int, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((real(number), port)) == 0


async def works(url: str) -> None:
    config = settings.Redis(url=url, timeout_seconds=1)
    async with open_database(config) as database:
        await preflight.wait_until_there(database, patience=0.5)
        assert await preflight.inspect(database, allow_no_persistence=False) == []
        assert int(await database.run(_DRAW, ["otp:clientid:tls"], [1])) > 0
        await database.ping()


@pytest.mark.parametrize("kind", ["redis", "sentinel", "cluster"])
async def test_tls_and_logins(kind: str, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    port, binary = port_with_bus(), binaries()["redis"]
    tls = (
        "--port", "0", "--tls-port", str(port), "--tls-cert-file", str(cert), "--tls-key-file", str(key),
        "--tls-ca-cert-file", str(cert), "--tls-auth-clients", "no", "--tls-replication", "yes",
    )  # fmt: skip
    trust = f"ssl_ca_certs={cert}"
    with network() as net, ExitStack() as stack:
        net.connect(1, port, port + BUS)
        net.connect(11, port)
        cluster = ("--cluster-enabled", "yes", "--cluster-announce-ip", known(1), "--tls-cluster", "yes")
        node = Node(binary, tmp_path, 1, port, *DATA, *USER, *tls, *(cluster if kind == "cluster" else ()))
        nodes = [node]
        stack.callback(lambda: [each.close() for each in nodes])
        until(lambda: listens(1, port))  # a handshake that is refused leaves a socket of redis-py open
        direct = {"ssl": True, "ssl_ca_certs": str(cert), "port": port, "protocol": 2}
        with Redis(host=known(1), password="inner", **direct) as admin:
            until(lambda: admin.ping())
            if kind == "cluster":
                admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
                until(lambda: b"cluster_state:ok" in admin.execute_command("CLUSTER", "INFO"))
        url = f"rediss://{LOGIN}@{known(1)}:{port}/0?{trust}"
        if kind == "cluster":
            url = f"rediss+cluster://{LOGIN}@{known(1)}:{port}?{trust}"
        if kind == "sentinel":
            conf = f"sentinel monitor otp {known(1)} {port} 1\nsentinel auth-pass otp inner\nrequirepass watch/er\n"
            nodes.append(Node(binary, tmp_path, 11, port, *tls, conf=conf))
            until(lambda: listens(11, port))
            with Redis(host=known(11), password="watch/er", **direct) as watcher:
                until(lambda: watcher.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "otp"))
            url = f"rediss+sentinel://{LOGIN}@{known(11)}:{port}/0?service=otp&sentinel_password=watch%2Fer&{trust}"
        await works(url)
        for broken in (url.replace("word@", "sword@"), url.replace("rediss", "redis").replace(f"&{trust}", "")):
            with pytest.raises((SettingsError, StorageUnavailable)):
                await works(broken)
        with pytest.raises((SettingsError, StorageUnavailable)):
            await works(url.replace(trust, ""))  # an authority that nobody knows
