"""The table of operations. A new one is a function in the module of its family and a line here."""

from __future__ import annotations

from otp_service.sandbox.gateways.get import sendsms
from otp_service.sandbox.gateways.json_wire import send_message
from otp_service.sandbox.gateways.operation import Operation
from otp_service.sandbox.gateways.password import generate_password
from otp_service.sandbox.gateways.smska import http_post
from otp_service.sandbox.gateways.telegram import TELEGRAM
from otp_service.sandbox.gateways.xml_account import balance, originator, time
from otp_service.sandbox.gateways.xml_bases import edit_bases, list_bases
from otp_service.sandbox.gateways.xml_callback_address import callback_address
from otp_service.sandbox.gateways.xml_change import check_change
from otp_service.sandbox.gateways.xml_incoming import incoming
from otp_service.sandbox.gateways.xml_numbers import number_information
from otp_service.sandbox.gateways.xml_patterns import edit_patterns, list_patterns
from otp_service.sandbox.gateways.xml_registry import edit_registry, list_registry
from otp_service.sandbox.gateways.xml_scheduled import delete_scheduled, list_scheduled
from otp_service.sandbox.gateways.xml_send import send
from otp_service.sandbox.gateways.xml_state import state
from otp_service.sandbox.gateways.xml_stats import statistics
from otp_service.sandbox.gateways.xml_stop import edit_stop, list_stop
from otp_service.sandbox.gateways.xml_subscribers import edit_subscribers, list_subscribers
from otp_service.sandbox.gateways.xml_wire import Run, xml_operation

XML: dict[str, Run] = {
    "state": state,
    "balance": balance,
    "originator": originator,
    "incoming": incoming,
    "def": number_information,
    "list_bases": list_bases,
    "bases": edit_bases,
    "list_phones": list_subscribers,
    "phones": edit_subscribers,
    "list_stop": list_stop,
    "stop": edit_stop,
    "list_scheduled": list_scheduled,
    "scheduled": delete_scheduled,
    "check_change": check_change,
    "time": time,
    "stats": statistics,
    "list_patterns": list_patterns,
    "patterns": edit_patterns,
    "list_registry_originator": list_registry,
    "registry_originator": edit_registry,
    "get_state": callback_address,
}
"""X4, X6–X25 by the file name of their address, which is also the name of the operation."""

OPERATIONS: tuple[Operation, ...] = (
    generate_password,
    xml_operation("xml", "/xml/", send),
    *(xml_operation(name, f"/xml/{name}.php", run) for name, run in XML.items()),
    sendsms,
    send_message,
    http_post,
    *TELEGRAM,
)
"""P, X, G, J, K, and Telegram Gateway."""
