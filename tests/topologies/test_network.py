"""The network of the tests itself: what is not closed at its end fails whichever test runs next."""

from __future__ import annotations

import gc
import socket
import threading
from contextlib import suppress

from tests.topologies.network import known, network
from tests.topologies.servers import port_with_bus


def test_nothing_stays_open_when_it_ends_while_servers_connect() -> None:
    for _ in range(6):
        port, over = port_with_bus(), threading.Event()

        def connect(port: int = port, over: threading.Event = over) -> None:
            while not over.is_set():
                with suppress(OSError), socket.create_connection((known(1), port), timeout=1):
                    pass

        with network() as net:
            net.connect(1, port)
            peers = [threading.Thread(target=connect) for _ in range(4)]
            for peer in peers:
                peer.start()
        over.set()
        for peer in peers:
            peer.join()
    gc.collect()
