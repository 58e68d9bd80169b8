"""The samples of docs/webhooks.md, as they stand there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from otp_service.domain.webhooks import secret_bytes, signature

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
PYTHON = """
import sys, json
how = json.load(sys.stdin)
print(verify(how["secret"], how["headers"], how["body"].encode()))
"""
NODE = """
const how = JSON.parse(require("node:fs").readFileSync(0));
console.log(verify(how.secret, how.headers, Buffer.from(how.body)));
"""
PHP = """
$how = json_decode(stream_get_contents(STDIN), true);
echo verify($how["secret"], $how["headers"], $how["body"]) ? "true" : "false";
"""
RUN = {"python": ("python3", PYTHON), "js": ("node", NODE), "php": ("php", PHP)}


@pytest.mark.parametrize("language", [pytest.param(name, marks=pytest.mark.slow) for name in RUN])
def test_what_the_page_says_verifies(language: str, tmp_path: Path) -> None:
    """Against good and touched requests."""
    program, ending = RUN[language]
    if not shutil.which(program):
        pytest.skip(f"{program} is missing")
    sample = re.search(rf"^```{language}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert sample
    file = tmp_path / f"sample.{language}"
    file.write_text(("<?php\n" if language == "php" else "") + sample[1] + ending, "utf-8")

    def verifies(body: str, **changes: str) -> bool:
        how = {"secret": secret, "headers": headers | changes, "body": body}
        ran = subprocess.run([program, str(file)], input=json.dumps(how), capture_output=True, text=True, check=True)
        return {"true": True, "false": False}[ran.stdout.strip().lower()]

    secret, body, now = "whsec_" + "QUFB" * 8, '{"имя":"é"}', int(time.time())
    signed = signature([secret_bytes("whsec_" + "QkJC" * 8), secret_bytes(secret)], "evt_1-0", now, body.encode())
    headers = {"webhook-id": "evt_1-0", "webhook-timestamp": str(now), "webhook-signature": signed}
    old = signature([secret_bytes(secret)], "evt_1-0", now - 400, body.encode())
    assert verifies(body)
    assert not verifies(body + " ")
    assert not verifies(body, **{"webhook-id": "evt_2-0"})
    assert not verifies(body, **{"webhook-timestamp": str(now - 400), "webhook-signature": old})
    assert not verifies(body, **{"webhook-signature": signed.split(" ")[0]})


@pytest.mark.slow
def test_what_the_page_says_computes_by_hand(tmp_path: Path) -> None:
    (sample,) = [
        text for text in re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE) if "openssl" in text
    ]
    (tmp_path / "body.json").write_bytes(b'{"a":1}')
    environ = {
        "PATH": "/usr/bin:/bin",
        "OTP_WEBHOOK_SECRET": "whsec_" + "QUFB" * 8,
        "WEBHOOK_ID": "evt_1-0",
        "WEBHOOK_TIMESTAMP": "1767268801",
    }
    ran = subprocess.run(
        ["sh", "-c", sample], cwd=tmp_path, env=environ | {"PATH": "/usr/bin:/bin"}, capture_output=True
    )
    assert "v1," + ran.stdout.decode().strip() == signature([b"AAA" * 8], "evt_1-0", 1767268801, b'{"a":1}')
