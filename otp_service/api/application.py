"""The HTTP side of a running service: its routes, what they are given, and the layers around them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp

from otp_service.api import documentation, problems
from otp_service.api.auth import NOT_OURS, PUBLIC, ApiKeyAuthentication, require_scopes
from otp_service.api.direct import Direct
from otp_service.api.edge.edge import MAX_BODY_BYTES, Edge
from otp_service.api.hooks import routes as hooks
from otp_service.api.requests import Strict
from otp_service.api.routes import audit, callbacks, events, gateways, system
from otp_service.api.routes.backup_codes import BackupCodeController
from otp_service.api.routes.deliveries import DeliveryController
from otp_service.api.routes.fraud import fraud
from otp_service.api.routes.front_page import front_page
from otp_service.api.routes.phones import PhoneController
from otp_service.api.routes.statistics import statistics
from otp_service.api.routes.subjects import SubjectController
from otp_service.api.routes.totp import TotpController
from otp_service.api.routes.verifications import VerificationController
from otp_service.api.twilio import routes as twilio_routes
from otp_service.runtime import Runtime


def create_app(service: Runtime, *, api: bool = True, more: Sequence[HTTPRouteHandler] = ()) -> ASGIApp:
    """The HTTP side of a running service; without its API for a process that only works. more: routes beside it."""
    app = create_litestar(service, api=api, more=more)
    return Edge(
        Direct(app, service) if api else app,
        service.settings.http.trusted_proxies,
        service.stopping.is_set,
        service.load,
        partial(hooks.answer, service.settings),
    )


def create_litestar(service: Runtime, *, api: bool = True, more: Sequence[HTTPRouteHandler] = ()) -> Litestar:
    """What `create_app` wraps: every route and its description, without the layers around them."""
    routes = [
        VerificationController,
        DeliveryController,
        hooks.hook,
        *twilio_routes.HANDLERS,
        TotpController,
        BackupCodeController,
        SubjectController,
        gateways.gateways,
        events.events,
        callbacks.callback,
        audit.entries,
        PhoneController,
        fraud,
        statistics,
        *documentation.ROUTES,
    ]
    app = Litestar(
        route_handlers=[
            *(routes if api else ()),
            *(front_page(service.settings) if api else ()),
            *more,
            system.live,
            system.ready,
            system.metrics_page,
        ],
        dependencies={
            "service": Provide(lambda: service, sync_to_thread=False),
            "admission": Provide(lambda: service.admission, sync_to_thread=False),
            "verifications": Provide(lambda: service.verifications, sync_to_thread=False),
            "factors": Provide(lambda: service.factors, sync_to_thread=False),
            "lookup": Provide(lambda: service.lookup, sync_to_thread=False),
            "deliveries": Provide(lambda: service.deliveries, sync_to_thread=False),
        },
        middleware=[
            DefineMiddleware(ApiKeyAuthentication, exclude=[f"^{NOT_OURS}"], exclude_from_auth_key=PUBLIC),
        ],
        exception_handlers=dict(problems.HANDLERS),
        before_send=[problems.add_allow_header],
        openapi_config=documentation.CONFIG,
        logging_config=None,
        request_class=Strict,
        request_max_body_size=MAX_BODY_BYTES,
        state=State({"service": service}),
    )
    require_scopes(app)
    if api:
        documentation.complete(app)
    problems.init_counters()
    return app
