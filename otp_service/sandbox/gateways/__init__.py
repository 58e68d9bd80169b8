"""The table of operations. A new one is a function in the module of its family and a line here."""

from __future__ import annotations

from otp_service.sandbox.gateways.operation import Operation
from otp_service.sandbox.gateways.password import generate_password
from otp_service.sandbox.gateways.smska import http_post
from otp_service.sandbox.gateways.xml_account import balance, originator, time
from otp_service.sandbox.gateways.xml_scheduled import delete_scheduled
from otp_service.sandbox.gateways.xml_send import send
from otp_service.sandbox.gateways.xml_state import state
from otp_service.sandbox.gateways.xml_wire import xml_operation

OPERATIONS: tuple[Operation, ...] = (
    generate_password,
    xml_operation("xml", "/xml/", send),
    xml_operation("state", "/xml/state.php", state),
    xml_operation("balance", "/xml/balance.php", balance),
    xml_operation("originator", "/xml/originator.php", originator),
    xml_operation("scheduled", "/xml/scheduled.php", delete_scheduled),
    xml_operation("time", "/xml/time.php", time),
    http_post,
)
"""P, X3, X4, X6, X7, X17, X19, K."""
