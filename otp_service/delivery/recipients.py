"""What a provider knows of a phone before anything is sent to it: its stop list, its operator and region.

All of it is help, none of it a condition: where the provider does not answer, the code goes out as if nobody had asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial

import structlog

from otp_service.background import LATE_SECONDS, Loop
from otp_service.delivery import routing
from otp_service.domain.phone import Number
from otp_service.domain.recipients import is_address
from otp_service.domain.workflows import Way
from otp_service.errors import SettingsError
from otp_service.gateways import registry
from otp_service.gateways.base import Gateway, GatewayError, KnowsNumbers, TakesCallbacks
from otp_service.settings import Settings
from otp_service.settings.workflows import route_of

LOOK_UP_SECONDS = 1.0
"""How long a start may wait for operator and region."""
STOP_LIST_SECONDS = 30.0
RETRY_SECONDS = 60.0
REMEMBERED = 10_000

log = structlog.get_logger()


class Recipients:
    def __init__(self, settings: Settings, gateways: Mapping[str, Gateway]) -> None:
        self._settings = settings
        self._knowing = {name: gateway for name, gateway in gateways.items() if isinstance(gateway, KnowsNumbers)}
        self._pushing = [gateway for gateway in gateways.values() if isinstance(gateway, TakesCallbacks)]
        self._stopped: dict[str, frozenset[str]] = {}
        self._numbers: OrderedDict[str, Number] = OrderedDict()
        for name, application in settings.applications.items():
            if application.number_info and application.number_info not in self._knowing:
                known = ", ".join(self._knowing) or "none"
                raise SettingsError(
                    f"applications.{name}.number_info: {application.number_info!r} is no gateway that can be asked "
                    f"about numbers; there are: {known}"
                )

    def is_stopped(self, application: str, e164: str, way: Way) -> bool:
        """Whether the account of a gateway on this route never writes to the phone (X14), as far as we know."""
        route = route_of(self._settings, application, way)
        return route is not None and any(e164 in self._stopped.get(name, ()) for name in route.gateways)

    async def number(self, application: str, e164: str) -> Number:
        """Operator and region (X9), where the application asks for them. Remembered in this process."""
        gateway = self._knowing.get(self._settings.applications[application].number_info)
        if gateway is None or is_address(e164):
            return Number()
        if e164 in self._numbers:
            self._numbers.move_to_end(e164)
            return self._numbers[e164]
        try:
            found = await gateway.number_info(e164, LOOK_UP_SECONDS)
        except GatewayError as error:
            log.info("number_info_failed", gateway=gateway.name, reason=error.reason)
            return Number()
        self._numbers[e164] = found or Number()
        if len(self._numbers) > REMEMBERED:
            self._numbers.popitem(last=False)
        return self._numbers[e164]

    def loops(self) -> list[Loop]:
        """The loops that refresh the stop lists and register our address for callbacks with the gateways."""
        watched = [gateway for gateway in self._knowing.values() if gateway.stop_list_seconds]
        reading = [partial(self._read_stop_list, gateway) for gateway in watched]
        late = STOP_LIST_SECONDS + LATE_SECONDS
        return [
            *(Loop("stop lists", step, late_seconds=late) for step in reading),
            Loop("callbacks", self._register_callbacks, late_seconds=late * max(1, len(self._pushing))),
        ]

    async def _read_stop_list(self, gateway: KnowsNumbers) -> float:
        try:
            self._stopped[gateway.name] = frozenset(await gateway.stop_list(STOP_LIST_SECONDS))
        except GatewayError as error:
            log.warning("stop_list_not_read", gateway=gateway.name, reason=error.reason)
            return RETRY_SECONDS
        log.debug("stop_list_read", gateway=gateway.name, phones=len(self._stopped[gateway.name]))
        return gateway.stop_list_seconds

    async def _register_callbacks(self) -> None:
        """Have the gateways push states to us (X25), where the settings ask for it. A failure is only logged."""
        for gateway in self._pushing:
            try:
                if await gateway.register_callback(self._settings.service.public_url):
                    log.info("callback_registered", gateway=gateway.name)
            except GatewayError as error:
                log.warning("callback_not_registered", gateway=gateway.name, reason=error.reason)


def build_gateways(settings: Settings) -> Mapping[str, Gateway]:
    """The gateways, once all that the settings say of them fits together; `doctor` asks the same first.

    Raises SettingsError.
    """
    gateways = registry.build_all(settings.gateways)
    routing.refuse_unfit(settings, gateways)
    Recipients(settings, gateways)
    return gateways
