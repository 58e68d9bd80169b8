"""Where the primaries are: one server, one that Sentinels name, or the shards of a Cluster. Replicas are never asked.

Each topology sends a call to the primary that owns its keys and hands back replies; a fault is a reply, too. None of
them sends anything twice, unless a server has said that it did not do it (MOVED, ASK, TRYAGAIN).
"""

from otp_service.storage.topology.cluster import SLOTS, Cluster
from otp_service.storage.topology.opening import Topology, open_topology
from otp_service.storage.topology.sentinel import Sentinels
from otp_service.storage.topology.server import Call, Reply, Server
from otp_service.storage.topology.single import Single

__all__ = ["SLOTS", "Call", "Cluster", "Reply", "Sentinels", "Server", "Single", "Topology", "open_topology"]
