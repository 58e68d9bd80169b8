"""Rate limits that callers make at run time, with their buckets; and what a send is counted by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from otp_service.api.requests import ApiRequest
from otp_service.api.twilio.context import Caller, Service, Thing, answer, gone, needs, now, opened
from otp_service.api.twilio.errors import (
    INTERVAL_TAKEN,
    NAME_INVALID,
    NAME_TAKEN,
    TOO_MANY_BUCKETS,
    TwilioRefused,
    invalid,
    not_found,
)
from otp_service.api.twilio.pages import page
from otp_service.domain import sids
from otp_service.domain.requests import Bucket
from otp_service.domain.scopes import KeyScope
from otp_service.runtime import Runtime

LIMITS = "/twilio/v2/Services/{va:str}/RateLimits"
LIMIT = f"{LIMITS}/{{rk:str}}"
BUCKETS = f"{LIMIT}/Buckets"
BUCKET = f"{BUCKETS}/{{bl:str}}"
MOST_LIMITS, MOST_BUCKETS = 10, 5
MOST_SENDS, LONGEST_SECONDS = 1_000_000, 86_400
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


async def buckets_of(caller: Caller, meant: Service, given: Mapping[str, str]) -> tuple[Sequence[Bucket], set[str]]:
    """The buckets that a send with these names counts in, and which of the names are rate limits."""
    things: Mapping[str, Thing] = {}
    for anew in (False, True):
        things = await caller.runtime.stores.twilio.things(caller.application, anew=anew)
        known = {name: things[key] for name in given if (key := f"limit:{meant.sid}:{name}") in things}
        if known.keys() == given.keys():
            break
    found = [
        Bucket(f"bucket:{name}", (bucket["sid"], given[name]), bucket["max"], bucket["interval"])
        for name, limit in known.items()
        for key, bucket in things.items()
        if key.startswith(f"bucket:{limit['sid']}:")
    ]
    return found, set(known)


@post(LIMITS, status_code=201, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def create_limit(request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str]) -> Response[bytes]:
    caller = await opened(request, service)
    meant, name = await caller.service(va), caller.form.needed("UniqueName")
    if not _NAME.fullmatch(name):
        raise TwilioRefused(NAME_INVALID, "validation_failed")
    made = {
        "sid": sids.drawn("RK"), "unique_name": name, "description": caller.form.text("Description", 1, 256),
        "date_created": now(), "date_updated": now(),
    }  # fmt: skip
    family = f"limit:{meant.sid}:"
    word = await service.stores.twilio.put(caller.application, family + name, made, family, MOST_LIMITS, new=True)
    if word == "taken":
        raise TwilioRefused(NAME_TAKEN, "validation_failed")
    if word == "full":
        raise invalid("UniqueName", f"a service has at most {MOST_LIMITS} rate limits")
    return answer(_limit(caller, meant, made), 201)


@get(LIMITS, include_in_schema=False, opt=needs(KeyScope.READ))
async def list_limits(request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str]) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    found = await caller.made(f"limit:{meant.sid}:")
    return page(caller, "rate_limits", [_limit(caller, meant, one) for one in found])


@get(LIMIT, include_in_schema=False, opt=needs(KeyScope.READ))
async def fetch_limit(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], rk: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    return answer(_limit(caller, meant, await _limit_of(caller, meant, rk)))


@post(LIMIT, status_code=200, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def update_limit(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], rk: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    found = await _limit_of(caller, meant, rk)
    changed = {**found, "description": caller.form.text("Description", 1, 256), "date_updated": now()}
    name = f"limit:{meant.sid}:{found['unique_name']}"
    if await service.stores.twilio.put(caller.application, name, changed, "limit:", 0, new=False) == "absent":
        raise not_found()
    return answer(_limit(caller, meant, changed))


@delete(LIMIT, status_code=200, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def delete_limit(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], rk: FromPath[str]
) -> Response[bytes]:
    """With its buckets."""
    caller = await opened(request, service)
    meant = await caller.service(va)
    found = await _limit_of(caller, meant, rk)
    buckets = [f"bucket:{rk}:{one['interval']}" for one in await caller.made(f"bucket:{rk}:")]
    await service.stores.twilio.drop(caller.application, f"limit:{meant.sid}:{found['unique_name']}", *buckets)
    return gone()


@post(BUCKETS, status_code=201, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def create_bucket(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], rk: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    await _limit_of(caller, meant, rk)
    caller.form.needed("Max")
    caller.form.needed("Interval")
    made = {
        "sid": sids.drawn("BL"), "max": caller.form.number("Max", 1, MOST_SENDS),
        "interval": caller.form.number("Interval", 1, LONGEST_SECONDS), "date_created": now(), "date_updated": now(),
    }  # fmt: skip
    await _put_bucket(caller, rk, made)
    return answer(_bucket(caller, meant, rk, made), 201)


@get(BUCKETS, include_in_schema=False, opt=needs(KeyScope.READ))
async def list_buckets(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], rk: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    await _limit_of(caller, meant, rk)
    found = await caller.made(f"bucket:{rk}:")
    return page(caller, "buckets", [_bucket(caller, meant, rk, one) for one in found])


@get(BUCKET, include_in_schema=False, opt=needs(KeyScope.READ))
async def fetch_bucket(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], rk: FromPath[str], bl: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    return answer(_bucket(caller, meant, rk, await _bucket_of(caller, meant, rk, bl)))


@post(BUCKET, status_code=200, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def update_bucket(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], rk: FromPath[str], bl: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    found = await _bucket_of(caller, meant, rk, bl)
    changed = {
        **found, "max": caller.form.number("Max", 1, MOST_SENDS, found["max"]),
        "interval": caller.form.number("Interval", 1, LONGEST_SECONDS, found["interval"]), "date_updated": now(),
    }  # fmt: skip
    if changed["interval"] == found["interval"]:
        name = f"bucket:{rk}:{found['interval']}"
        if await service.stores.twilio.put(caller.application, name, changed, "bucket:", 0, new=False) == "absent":
            raise not_found()
    else:
        await _put_bucket(caller, rk, changed, replacing=1)
        await service.stores.twilio.drop(caller.application, f"bucket:{rk}:{found['interval']}")
    return answer(_bucket(caller, meant, rk, changed))


@delete(BUCKET, status_code=200, include_in_schema=False, opt=needs(KeyScope.ADMIN))
async def delete_bucket(
    request: ApiRequest, service: NamedDependency[Runtime], va: FromPath[str], rk: FromPath[str], bl: FromPath[str]
) -> Response[bytes]:
    caller = await opened(request, service)
    meant = await caller.service(va)
    found = await _bucket_of(caller, meant, rk, bl)
    await service.stores.twilio.drop(caller.application, f"bucket:{rk}:{found['interval']}")
    return gone()


async def _put_bucket(caller: Caller, rk: str, made: Thing, replacing: int = 0) -> None:
    family = f"bucket:{rk}:"
    word = await caller.runtime.stores.twilio.put(
        caller.application, f"{family}{made['interval']}", made, family, MOST_BUCKETS + replacing, new=True
    )
    if word == "taken":
        raise TwilioRefused(INTERVAL_TAKEN, "validation_failed")
    if word == "full":
        raise TwilioRefused(TOO_MANY_BUCKETS, "validation_failed")


async def _limit_of(caller: Caller, meant: Service, rk: str) -> Thing:
    return _of(await caller.made(f"limit:{meant.sid}:"), rk)


async def _bucket_of(caller: Caller, meant: Service, rk: str, bl: str) -> Thing:
    await _limit_of(caller, meant, rk)
    return _of(await caller.made(f"bucket:{rk}:"), bl)


def _of(things: Sequence[Thing], sid: str) -> Thing:
    found = next((one for one in things if one["sid"] == sid), None)
    if found is None:
        raise not_found()
    return found


def _limit(caller: Caller, meant: Service, found: Thing) -> dict[str, Any]:
    url = caller.url("Services", meant.sid, "RateLimits", found["sid"])
    return {
        "sid": found["sid"], "service_sid": meant.sid, "account_sid": caller.account_sid,
        "unique_name": found["unique_name"], "description": found["description"],
        "date_created": found["date_created"], "date_updated": found["date_updated"], "url": url,
        "links": {"buckets": f"{url}/Buckets"},
    }  # fmt: skip


def _bucket(caller: Caller, meant: Service, rk: str, found: Thing) -> dict[str, Any]:
    return {
        "sid": found["sid"], "rate_limit_sid": rk, "service_sid": meant.sid, "account_sid": caller.account_sid,
        "max": found["max"], "interval": found["interval"], "date_created": found["date_created"],
        "date_updated": found["date_updated"],
        "url": caller.url("Services", meant.sid, "RateLimits", rk, "Buckets", found["sid"]),
    }  # fmt: skip


HANDLERS = [
    create_limit, list_limits, fetch_limit, update_limit, delete_limit,
    create_bucket, list_buckets, fetch_bucket, update_bucket, delete_bucket,
]  # fmt: skip
