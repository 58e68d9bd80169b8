"""What a script's first line promises is what the script does: Redis refuses by it when memory or disk are full."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

SCRIPTS = Path(str(files("otp_service.storage") / "scripts"))
READS = frozenset(
    [
        "EXISTS",
        "GET",
        "HEXISTS",
        "HGET",
        "HGETALL",
        "HLEN",
        "HMGET",
        "LLEN",
        "LRANGE",
        "MGET",
        "PTTL",
        "SCARD",
        "SISMEMBER",
        "STRLEN",
        "TIME",
        "TTL",
        "XLEN",
        "XRANGE",
        "XREVRANGE",
        "ZCARD",
        "ZCOUNT",
        "ZRANGE",
        "ZRANGEBYSCORE",
        "ZREVRANGE",
        "ZSCORE",
    ]
)
"""Commands that change nothing, of those that our scripts use."""
BEGIN = {"verification/start", "verification/resend", "verification/fail_over", "verification/claim_idempotency"}
"""What something new begins with: refused while Redis is full."""
LET_GO_ON = {
    "verification/take_attempt", "verification/give_back_attempt", "verification/settle", "verification/cancel",
    "verification/progress", "verification/take_over", "verification/report", "verification/erase",
    "verification/release_idempotency", "schedule/claim", "schedule/end", "event/clear_outbox", "webhook/leave",
    "webhook/settle", "limit/uncount", "gateway/take_turn", "gateway/observe", "route/observe", "subject/forget",
    "subject/drop_phone",
    "subject/unlock", "subject/totp_take", "subject/totp_settle", "subject/backup_take", "subject/backup_settle",
    "api_key/revoke", "api_key/note_use", "operator/remove", "operator/take_password", "operator/read_session",
    "operator/change",
}  # fmt: skip
"""What judges and ends what is there already, or frees memory."""


def text_of(name: str) -> str:
    return (SCRIPTS / f"{name}.lua").read_text()


def functions() -> dict[str, str]:
    """Each function of the shared files with its body."""
    shared = "\n".join(path.read_text() for path in SCRIPTS.rglob("_*.lua"))
    parts = re.split(r"^(?=local function )", shared, flags=re.MULTILINE)[1:]
    return {part.split("(")[0].removeprefix("local function ").strip(): part for part in parts}


def commands(text: str, shared: dict[str, str]) -> set[str]:
    """Redis commands that a script may reach."""
    code = re.sub(r"--.*", "", text)
    found = set(re.findall(r"redis\.call\('(\w+)'", code))
    if "redis.pcall(" in code:  # by a list of commands
        found |= set(re.findall(r"\{'([A-Z]+)'", code))
    for name in set(re.findall(r"\b(\w+)\(", code)) & shared.keys():
        found |= commands(shared[name], {each: body for each, body in shared.items() if each != name})
    return found


NAMES = sorted(
    str(path.relative_to(SCRIPTS)).removesuffix(".lua")
    for path in SCRIPTS.rglob("*.lua")
    if not path.name.startswith("_")
)


@pytest.mark.parametrize("name", NAMES)
def test_flags_are_what_the_script_does(name: str) -> None:
    first = text_of(name).partition("\n")[0]
    writes = commands(text_of(name), functions()) - READS
    if not writes:
        assert first == "#!lua flags=no-writes", "it only reads, so it is answered also while Redis takes no writes"
    elif name in LET_GO_ON:
        assert first == "#!lua flags=allow-oom"
    else:
        assert first == "#!lua", f"it writes: {writes}"


def test_every_name_in_the_lists_is_a_script() -> None:
    assert set(NAMES) >= BEGIN | LET_GO_ON
