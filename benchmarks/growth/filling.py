"""Many live verifications in a short time: what the service asked of Redis for one start is asked again for others.

Two starts are taken down on the wire. What is the same in both stays; what names the first one's phone, partition or
id names the next one's; the phone is sealed anew; counters get keys of their own, as if each start came from an address
and a block of numbers that nobody else uses. The hash of the code is that of the first start, so no code is right.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from multiprocessing import get_context

import hiredis

from benchmarks.rig.recording import Command, Trip
from benchmarks.rig.servers import APPLICATION
from otp_service.domain.keyring import Keyring, Keys, Names

CONNECTIONS = 2
"""A process each."""
BATCH = 100
"""Starts that are asked before any answer is read."""
LIFE_MS = b"86400000"
PREFIX = "+790"
"""Of phones that nothing else of a benchmark starts for."""
SAMPLE = 20_000
"""Ids that a filler keeps."""
_HEX = re.compile(rb"[0-9a-f]{12,}")

Piece = bytes | tuple[str, bytes]
"""Bytes of the wire as they are, or an argument that differs: how, and what it was."""


@dataclass(frozen=True)
class Known:
    """What one recorded start is told from another by."""

    id: bytes
    partition: bytes
    index: bytes

    @staticmethod
    def by(names: Names, verification_id: str) -> Known:
        located = names.locate(verification_id)
        if located is None:
            raise LookupError(f"{verification_id} is no id of this installation")
        return Known(verification_id.encode(), b"%d" % located[0], located[1].encode())

    def replaced(self, argument: bytes, other: Known) -> bytes:
        if argument == self.partition:
            return other.partition
        found = argument.replace(self.id, other.id).replace(self.index, other.index)
        return found.replace(b"{%b}" % self.partition, b"{%b}" % other.partition)


@dataclass(frozen=True)
class Template:
    names: Names
    keys: Keys
    first: Known
    pieces: Sequence[Piece]
    answers: int

    def start(self, number: int) -> tuple[str, bytes]:
        """The commands of a start for one more phone, and the id of its verification."""
        phone = f"{PREFIX}{number:08d}"
        made = self.names.new_id(APPLICATION, phone)
        known = Known.by(self.names, made)
        wire = []
        for piece in self.pieces:
            if isinstance(piece, bytes):
                wire.append(piece)
                continue
            how, was = piece
            if how == "named":
                now = self.first.replaced(was, known)
            elif how == "sealed":
                now = self.keys.seal(phone.encode(), known.id)
            else:
                now = _fresh(was, known.id)
            wire.append(b"$%d\r\n%b\r\n" % (len(now), now))
        return made, b"".join(wire)


def template(
    names: Names, keyring: Keyring, starts: Sequence[Sequence[Trip]], ids: Sequence[str], life_ms: bytes
) -> Template:
    """ids: of the verifications that the starts made. life_ms: of those, an argument that nothing else equals.

    Raises LookupError where the starts are not alike, or have no such argument.
    """
    written = [[command for trip in trips for command in trip.commands] for trips in starts]
    shapes = [[len(command) for command in commands] for commands in written]
    for one, other in combinations(range(len(written)), 2):
        first, second = Known.by(names, ids[one]), Known.by(names, ids[other])
        if shapes[one] == shapes[other] and first.partition != second.partition:
            pieces = _pieces(keyring.current, first, written[one], written[other], life_ms)
            return Template(names, keyring.current, first, pieces, len(written[one]))
    raise LookupError("no two starts asked the same of Redis")


def fill(made_from: Template, port: int, first: int, count: int) -> list[str]:
    """Start so many verifications, whose phones begin at that number. Some of their ids, spread over all."""
    share = -(-count // CONNECTIONS)
    parts = [(first + begin, min(share, count - begin)) for begin in range(0, count, share)]
    with ProcessPoolExecutor(CONNECTIONS, mp_context=get_context("spawn")) as pool:
        found = [pool.submit(fill_part, made_from, port, *part) for part in parts]
        return [each for part in found for each in part.result()]


def fill_part(made_from: Template, port: int, first: int, count: int) -> list[str]:
    """By one connection. Raises what Redis refuses."""
    kept: list[str] = []
    each = max(1, count * CONNECTIONS // SAMPLE)
    parser = hiredis.Reader()
    with socket.create_connection(("127.0.0.1", port)) as wire:
        for begin in range(0, count, BATCH):
            starts = [made_from.start(first + n) for n in range(begin, min(begin + BATCH, count))]
            wire.sendall(b"".join(commands for _, commands in starts))
            for _ in range(len(starts) * made_from.answers):
                while (answer := parser.gets()) is False:
                    parser.feed(wire.recv(1 << 18))
                if isinstance(answer, Exception):
                    raise answer
            kept += [made for made, _ in starts[::each]]
    return kept


def _pieces(
    keys: Keys, first: Known, commands: Sequence[Command], others: Sequence[Command], life_ms: bytes
) -> list[Piece]:
    pieces: list[Piece] = []
    lives = 0
    for command, other in zip(commands, others, strict=True):
        pieces.append(b"*%d\r\n" % len(command))
        for was, differs in zip(command, other, strict=True):
            if how := _how(keys, first, was, differs):
                pieces.append((how, was))
                continue
            lives += was == life_ms
            now = LIFE_MS if was == life_ms else was
            pieces.append(b"$%d\r\n%b\r\n" % (len(now), now))
    if not lives:
        raise LookupError("the life of a verification is no argument by itself")
    return _joined(pieces)


def _how(keys: Keys, first: Known, was: bytes, differs: bytes) -> str:
    """'' for an argument that every start may have alike."""
    if was == differs:
        return ""
    if first.id in was or first.index in was or was == first.partition or b"{%b}" % first.partition in was:
        return "named"
    if was.startswith(b"otp:"):
        return "fresh"
    try:
        keys.open(was, first.id)
    except ValueError:
        return ""
    return "sealed"


def _fresh(name: bytes, verification_id: bytes) -> bytes:
    """Another keyed name of the same form and length."""
    drawn = sha256(name + verification_id).hexdigest().encode()
    return _HEX.sub(lambda hit: drawn[: len(hit[0])], name)


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """With what follows each other unchanged made one."""
    found: list[Piece] = []
    for piece in pieces:
        if found and isinstance(piece, bytes) and isinstance(found[-1], bytes):
            found[-1] += piece
        else:
            found.append(piece)
    return found
