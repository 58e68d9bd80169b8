"""X6 balance, X7 senders, X19 time: what an account can ask about itself."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account, plain
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_wire import element
from otp_service.sandbox.state import Sandbox


def balance(_sandbox: Sandbox, account: Account, _request: Element, _fault: Fault | None) -> list[Element]:
    """X6. The numbers of SMS are alternatives: all the money spent on one area."""
    money = element("money", plain(account.money), currency="RUR")
    areas = [element("sms", str(account.money // price), area=area) for area, price in account.prices.items()]
    return [money, *areas]


def originator(_sandbox: Sandbox, account: Account, _request: Element, _fault: Fault | None) -> list[Element]:
    """X7. With TRUE the list is not returned."""
    if account.any_originator:
        return [element("any_originator", "TRUE")]
    senders = Element("list_originator")
    senders.extend(element("originator", name, state=state) for name, state in account.senders.items())
    return [element("any_originator", "FALSE"), senders]


def time(sandbox: Sandbox, account: Account, _request: Element, _fault: Fault | None) -> list[Element]:
    """X19. Local time of the account: server time plus the difference, as in the example (the text says minus)."""
    local = sandbox.clock.now().astimezone(account.zone)
    return [element("time", local.strftime("%Y-%m-%d %H:%M:%S" if account.time_with_date else "%H:%M:%S"))]
