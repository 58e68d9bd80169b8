"""The console of a running service: its parts, and the routes of all its pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from litestar.handlers import HTTPRouteHandler
from msgspec.structs import replace

from otp_service.console import (
    audit,
    enrolment,
    events,
    files,
    fraud,
    gateways,
    keys,
    operators,
    overview,
    people,
    settings,
    sign_in,
    status,
    webhooks,
)  # fmt: skip
from otp_service.console.visit import Answer, Console, Page, Visit, page
from otp_service.domain.operators import REALM
from otp_service.factors.factors import Factors
from otp_service.gateways.base import Finding
from otp_service.operators.accounts import Accounts
from otp_service.operators.signing_in import SigningIn
from otp_service.runtime import Runtime
from otp_service.settings import Application

PAGES: Sequence[Page] = (
    *sign_in.PAGES,
    *enrolment.PAGES,
    *files.PAGES,
    *overview.PAGES,
    *people.PAGES,
    *status.PAGES,
    *gateways.PAGES,
    *fraud.PAGES,
    *webhooks.PAGES,
    *events.PAGES,
    *keys.PAGES,
    *operators.PAGES,
    *audit.PAGES,
    *settings.PAGES,
)


def routes(service: Runtime, examine: Callable[[], AsyncIterator[Finding]]) -> list[HTTPRouteHandler]:
    """examine: what `otp-service doctor` finds."""
    stores, values = service.stores, service.settings
    realm = {**values.applications, REALM: Application(brand="otp-service")}
    factors = Factors(
        replace(values, applications=realm), stores, service.hash_pool, persistent=service.persistent
    )  # those of operators: in a realm of their own, that no application can name
    console = Console(
        service=service,
        accounts=Accounts(stores.operators, stores.names, stores.subjects, stores.audit),
        signing_in=SigningIn(
            values.console,
            store=stores.operators,
            names=stores.names,
            factors=factors,
            hash_pool=service.hash_pool,
            audit=stores.audit,
        ),
        examine=examine,
    )
    return [each.handler(console) for each in (*PAGES, *_after_forms())]


def _after_forms() -> Sequence[Page]:
    """Where a form is sent but nothing is shown, a browser that loads its answer again, or in the other language, is
    led to the page that has the form."""
    shown = {each.route for each in PAGES if each.method == "GET"}
    return [page(each.route, None)(_to_its_page) for each in PAGES if each.route not in shown]


async def _to_its_page(visit: Visit) -> Answer:
    return visit.go(visit.request.url.path.rpartition("/")[0])
