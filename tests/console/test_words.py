"""Every word that a page asks for is there, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import otp_service.console
from otp_service.console.words import LANGUAGES, WORDS
from otp_service.domain.factors import FactorStatus
from otp_service.domain.messages import MessageStatus
from otp_service.domain.operators import Role
from otp_service.domain.pumping import Word
from otp_service.domain.statistics import WHYS
from otp_service.domain.verifications import DeliveryStatus, Status

FOLDER = Path(otp_service.console.__file__).parent


def test_every_word_of_a_template_is_known() -> None:
    asked = {word for path in FOLDER.rglob("*.html") for word in re.findall(r"\bt\.(\w+)", path.read_text("utf-8"))}
    asked |= {word for path in FOLDER.glob("*.py") for word in re.findall(r'\bsay\("(\w+)"\)', path.read_text("utf-8"))}
    assert asked - WORDS.keys() == set()
    assert len(asked) > 100


def test_every_word_is_told_in_every_language() -> None:
    for word, told in WORDS.items():
        assert len(told) == len(LANGUAGES), word
        assert all(text.strip() for text in told), word
        same = told[0] == told[1]
        assert not same or word in ("reference", "subject"), f"{word} was not translated"


def test_closed_words_have_names() -> None:
    wanted = {f"status_{status}" for status in Status} | {
        f"moment_{status}" for status in Status if status != "pending"
    }
    wanted |= {f"message_{status}" for status in MessageStatus} | {
        f"moment_message_{status}" for status in MessageStatus
    }
    wanted |= {f"delivery_{status}" for status in DeliveryStatus} | {f"factor_{status}" for status in FactorStatus}
    wanted |= {f"decision_{word}" for word in Word} | {f"role_{role}" for role in Role}
    wanted |= {f"reason_{why}" for why in WHYS}
    assert wanted - WORDS.keys() == set()
