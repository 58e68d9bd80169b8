"""What a provider's answer means, by the rules of its table."""

from __future__ import annotations

from decimal import Decimal

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.value import Value
from otp_service.errors import SettingsError
from otp_service.gateways.base import Accepted, Delivery, GatewayError, Then
from otp_service.gateways.described.config import Answer, Rule
from otp_service.gateways.described.reading import Document, Locator, document, locator
from otp_service.gateways.http import REFUSALS, Reply, broken_answer, decode, tell
from otp_service.gateways.wire import amount, count, is_token

GOOD = {
    "accepted": MessageStatus.ACCEPTED,
    "earlier": MessageStatus.ACCEPTED,
    "delivered": MessageStatus.DELIVERED,
    "held": MessageStatus.HELD,
}


class _Rule(Value):
    written: Rule
    locator: Locator | None

    def fits(self, status: int, found: Document) -> bool:
        rule = self.written
        if rule.status and not {str(status), f"{status // 100}xx"} & {str(each).lower() for each in rule.status}:
            return False
        if self.locator is None:
            return True
        value = self.locator.find(found)
        if rule.exists is not None and (value is not None) is not rule.exists:
            return False
        word = (value or "").casefold()
        if rule.is_ and (value is None or word not in {str(each).casefold() for each in rule.is_}):
            return False
        return not (rule.not_ and (value is None or word in {str(each).casefold() for each in rule.not_}))


class AnswerReader:
    """Raises `SettingsError` for rules that cannot work."""

    def __init__(self, answer: Answer, where: str) -> None:
        self._answer = answer
        self._rules = [_rule(rule, answer, f"{where}.rules[{number}]") for number, rule in enumerate(answer.rules)]
        form = answer.format
        self._id = locator(answer.id, form, f"{where}.id")
        self._parts = locator(answer.parts, form, f"{where}.parts")
        self._price = locator(answer.price, form, f"{where}.price")
        self._words = locator(answer.words, form, f"{where}.words")
        self._state = locator(answer.state, form, f"{where}.state")
        self._balance = locator(answer.balance, form, f"{where}.balance")
        self._states = {word.casefold(): MessageStatus(status) for word, status in answer.states.items()}

    def accepted(self, reply: Reply) -> Accepted:
        """Of an answer to a send. Raises `GatewayError`."""
        rule, found = self._judge(reply)
        if rule is None or rule.then not in GOOD:
            raise self._refusal(rule, reply, found)
        provider_id = _value(self._id, found) or ""
        # With an id that is none, nobody could be asked about it; yet it is taken.
        parts = count(_value(self._parts, found))
        return Accepted(
            provider_id if is_token(provider_id) else "",
            GOOD[rule.then],
            parts,
            earlier=rule.then == "earlier",
            price=amount(_value(self._price, found)) or None,  # 0 is written where it is not known yet
        )

    def delivery(self, reply: Reply, provider_id: str) -> Delivery | None:
        """Of an answer about a message; None where the provider does not know it. Raises `GatewayError`."""
        rule, found = self._judge(reply)
        if rule is not None and rule.then == "unknown_id":
            return None
        if rule is not None and rule.then not in GOOD:
            raise self._refusal(rule, reply, found)
        word = _value(self._state, found)
        if word is None or not 200 <= reply.status < 300:
            raise self._refusal(None, reply, found)
        status = self._states.get(word.casefold(), MessageStatus.ACCEPTED)
        tell(f"the state {word!r} is {status}")
        return Delivery(
            provider_id,
            status,
            parts=count(_value(self._parts, found)),
            price=amount(_value(self._price, found)),
            provider_code=word[:32] if word.replace("_", "").replace("-", "").isalnum() and word.isascii() else "",
        )

    def balance(self, reply: Reply) -> Decimal:
        """Raises `GatewayError`."""
        rule, found = self._judge(reply)
        if rule is not None and rule.then not in GOOD:
            raise self._refusal(rule, reply, found)
        left = amount(_value(self._balance, found)) if 200 <= reply.status < 300 else None
        if left is None:
            raise self._refusal(None, reply, found)
        return left

    def _judge(self, reply: Reply) -> tuple[Rule | None, Document]:
        found = document(decode(reply.body), self._answer.format)
        # A page with status 200 is none, whatever a rule says of 200; a refusal may come without a body.
        rules = [] if found is None and 200 <= reply.status < 300 else self._rules
        for number, rule in enumerate(rules):
            if (found is not None or rule.locator is None) and rule.fits(reply.status, found):
                at = f": {rule.written.at}" if rule.written.at else ""
                tell(f"rules[{number}] fits{at}, so {rule.written.then}")
                return rule.written, found
        tell("no rule fits")
        return None, found

    def _refusal(self, rule: Rule | None, reply: Reply, found: Document) -> GatewayError:
        words = (_value(self._words, found) or "") if found is not None else ""
        if rule is None:
            if reply.status in REFUSALS:
                return GatewayError(REFUSALS[reply.status], Then.NEXT, said=words)
            error = broken_answer()
            return GatewayError(error.reason, error.then, said=words)
        then = {"rejected": Then.NEXT, "stop": Then.STOP}.get(rule.then, Then.UNCLEAR)
        reason = Reason.BROKEN_ANSWER if then is Then.UNCLEAR else rule.reason
        return GatewayError(reason, then, said=words if reason is Reason.UNKNOWN_ERROR else "")


def _value(found: Locator | None, within: Document) -> str | None:
    return found.find(within) if found and within is not None else None


def _rule(rule: Rule, answer: Answer, where: str) -> _Rule:
    if (rule.is_ or rule.not_ or rule.exists is not None) and not rule.at:
        raise SettingsError(f"{where}.at: is missing: where in the answer?")
    if rule.at and not (rule.is_ or rule.not_ or rule.exists is not None):
        raise SettingsError(f"{where}: what about {rule.at!r}? Say `is`, `not` or `exists`")
    if rule.then in GOOD and not (rule.at or rule.status):
        raise SettingsError(f"{where}: says {rule.then} of every answer, of pages of errors too; add `status` or `at`")
    for each in rule.status:
        if str(each).lower()[1:] != "xx" and not str(each).isdigit():
            raise SettingsError(f'{where}.status: {each!r} is neither an HTTP status nor as "2xx"')
    return _Rule(rule, locator(rule.at, answer.format, f"{where}.at"))
