"""What a provider knows of a phone before anything is sent to it: its stop list, its operator and region.

All of it is help, none of it a condition: where the provider does not answer, the code goes out as if nobody had asked.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping

import structlog

from otp_service.domain.phone import Number
from otp_service.errors import SettingsError
from otp_service.gateways.base import Gateway, GatewayError
from otp_service.gateways.targetsms.gateways import XmlGateway
from otp_service.settings import Settings

LOOK_UP_SECONDS = 1.0
"""What a caller may be kept waiting for operator and region."""
STOP_LIST_SECONDS = 30.0
RETRY_SECONDS = 60.0
REMEMBERED = 10_000

log = structlog.get_logger()


class Recipients:
    def __init__(self, settings: Settings, gateways: Mapping[str, Gateway]) -> None:
        self._settings = settings
        self._xml = {name: gateway for name, gateway in gateways.items() if isinstance(gateway, XmlGateway)}
        self._stopped: dict[str, frozenset[str]] = {}
        self._numbers: OrderedDict[str, Number] = OrderedDict()
        for name, application in settings.applications.items():
            if application.number_info and application.number_info not in self._xml:
                known = ", ".join(self._xml) or "none"
                raise SettingsError(
                    f"applications.{name}.number_info: {application.number_info!r} is no targetsms-xml gateway; "
                    f"there are: {known}"
                )

    def is_stopped(self, e164: str, channel: str) -> bool:
        """Whether the account of a gateway on this route never writes to the phone (X14), as far as we know."""
        return any(e164 in self._stopped.get(name, ()) for name in self._settings.routes[channel].gateways)

    async def number(self, application: str, e164: str) -> Number:
        """Operator and region (X9), where the application asks for them. Remembered in this process."""
        gateway = self._xml.get(self._settings.applications[application].number_info)
        if gateway is None:
            return Number()
        if e164 in self._numbers:
            self._numbers.move_to_end(e164)
            return self._numbers[e164]
        try:
            found = await gateway.number_info(e164, LOOK_UP_SECONDS)
        except GatewayError as error:
            log.info("number_info_failed", gateway=gateway.name, reason=error.reason)
            return Number()
        self._numbers[e164] = Number(found.operator, found.region) if found else Number()
        if len(self._numbers) > REMEMBERED:
            self._numbers.popitem(last=False)
        return self._numbers[e164]

    async def keep_stop_lists(self) -> None:
        """Read them again and again, until canceled."""
        watched = [gateway for gateway in self._xml.values() if gateway.stop_list_seconds]
        await asyncio.gather(*(self._keep_stop_list(gateway) for gateway in watched))

    async def _keep_stop_list(self, gateway: XmlGateway) -> None:
        while True:
            try:
                self._stopped[gateway.name] = frozenset(await gateway.stop_list(STOP_LIST_SECONDS))
                log.debug("stop_list_read", gateway=gateway.name, phones=len(self._stopped[gateway.name]))
                await asyncio.sleep(gateway.stop_list_seconds)
            except GatewayError as error:
                log.warning("stop_list_not_read", gateway=gateway.name, reason=error.reason)
                await asyncio.sleep(RETRY_SECONDS)

    async def register_callbacks(self) -> None:
        """Have the gateways push states to us (X25), where the settings ask for it. A failure is only logged."""
        for gateway in self._xml.values():
            try:
                if await gateway.register_callback(self._settings.service.public_url):
                    log.info("callback_registered", gateway=gateway.name)
            except GatewayError as error:
                log.warning("callback_not_registered", gateway=gateway.name, reason=error.reason)
