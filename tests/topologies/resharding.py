"""Moving the slots of a cluster while it works, as `redis-cli --cluster reshard` does."""

from __future__ import annotations

from collections.abc import Sequence

from tests.topologies.network import known
from tests.topologies.servers import ClusterSet, Node

AT_ONCE = 24
"""Slots that are on their way at the same time."""


def move(servers: ClusterSet, slots: Sequence[int], source: Node, target: Node) -> int:
    """Returns how many keys went with them. Redis Cluster specification, "Live reconfiguration"."""
    here, there = servers.ids[source.number], servers.ids[target.number]
    others = [node for node in servers.primaries if node not in (source, target)]
    keys = 0
    for first in range(0, len(slots), AT_ONCE):
        some = slots[first : first + AT_ONCE]
        target.ask_many([("CLUSTER", "SETSLOT", slot, "IMPORTING", here) for slot in some])
        source.ask_many([("CLUSTER", "SETSLOT", slot, "MIGRATING", there) for slot in some])
        counts = source.ask_many([("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in some])
        for slot, count in zip(some, counts, strict=True):
            keys += count
            while found := count and source.ask("CLUSTER", "GETKEYSINSLOT", slot, 20):
                source.ask("MIGRATE", known(target.number), servers.port, "", 0, 5000, "KEYS", *found)
        for node in (target, source, *others):
            node.ask_many([("CLUSTER", "SETSLOT", slot, "NODE", there) for slot in some])
    return keys


def move_all(servers: ClusterSet, primaries: Sequence[Node]) -> int:
    """Every slot goes to the next primary, in halves: one that has none would become a replica."""
    shares = [slots_of(node) for node in primaries]
    keys = 0
    for half in (0, 1):
        for n, share in enumerate(shares):
            keys += move(servers, share[half::2], primaries[n], primaries[(n + 1) % len(primaries)])
    return keys


def slots_of(node: Node) -> list[int]:
    mine = node.ask("CLUSTER", "MYID")
    return [
        slot
        for first, last, primary, *_ in node.ask("CLUSTER", "SLOTS")
        if primary[2] == mine
        for slot in range(first, last + 1)
    ]
