"""The table `[gateways.NAME]` of kind `http`. docs/gateways/http.md describes every key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from otp_service.domain.reasons import Reason
from otp_service.domain.secret import Secret, Secrets
from otp_service.gateways.config import GatewayConfig
from otp_service.settings.section import END, Section

Format = Literal["json", "xml", "text", "form"]
SecretName = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,32}" + END)]
StatusWord = Literal[
    "accepted", "scheduled", "held", "delivered", "undelivered", "expired", "rejected", "canceled", "unknown",
]  # fmt: skip
Then = Literal["accepted", "delivered", "held", "earlier", "rejected", "stop", "unclear", "unknown_id"]


class Rule(Section, frozen=True):
    """What an answer means. All that is given must be so; the first rule that fits is taken.

    status: HTTP statuses, as 200 or "2xx". at: where in the answer; is_, not_: values there, compared without case.
    """

    then: Then
    status: tuple[int | str, ...] = ()
    at: str = ""
    is_: tuple[str | int, ...] = field(default=(), name="is")
    not_: tuple[str | int, ...] = field(default=(), name="not")
    exists: bool | None = None
    reason: Reason = Reason.UNKNOWN_ERROR


class Answer(Section, frozen=True):
    """Each of id, parts, price, words, state and balance: where in the answer it stands, "" for nowhere."""

    format: Format = "json"
    rules: tuple[Rule, ...] = ()
    id: str = ""
    parts: str = ""
    price: str = ""
    words: str = ""
    state: str = ""
    states: Mapping[str, StatusWord] = {}
    balance: str = ""


class Request(Section, frozen=True):
    """At most one of form, json, xml and text is its body."""

    path: str
    method: Literal["GET", "POST", "PUT"] = "POST"
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    form: Mapping[str, str] | None = None
    json: Any = None
    xml: str = ""
    answer: Answer = Answer()
    pause_seconds: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    """Of a question about a message: it is not asked again before."""


class Signature(Section, frozen=True):
    """header: where it stands. over: what is signed. key: a template. value: what the header holds."""

    header: str
    key: str
    over: str = "{body}"
    algorithm: Literal["sha256", "sha1", "sha512", "md5"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    value: str = "{signature}"


class Basic(Section, frozen=True):
    user: str
    password: str


class Auth(Section, frozen=True):
    basic: Basic | None = None
    bearer: str = ""
    signature: Signature | None = None


class Callback(Section, frozen=True):
    """What the provider pushes to POST, or GET, /callbacks/NAME/TOKEN.

    items: where the list of several is, in JSON. reply: what it is answered. challenge: parameter of a GET whose value
    is answered, by which some providers look whether the address is ours.
    """

    token: Secrets
    id: str
    state: str
    states: Mapping[str, StatusWord] = {}
    format: Literal["json", "form", "xml"] = "json"
    items: str = ""
    networks: tuple[str, ...] = ()
    signature: Signature | None = None
    believe: bool = False
    """A state that is pushed counts without asking, because this provider has no question for it."""
    reply: str = ""
    challenge: str = ""
    from_: str = field(default="", name="from")
    said: str = ""
    """Of an SMS that a person sent us: where its sender stands, and its text; "" where none are pushed."""


class HttpConfig(GatewayConfig, frozen=True, kw_only=True):
    kind: Literal["http"]
    provider: str = ""
    """A ready table under this one."""
    sender: Annotated[str, Meta(max_length=64)] = ""
    channel: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,15}" + END)] = "sms"
    secrets: Mapping[SecretName, Secret] = {}
    values: Mapping[SecretName, str] = {}
    """Fixed values of the account that are no secret, for `{value.name}`."""
    auth: Auth = Auth()
    send: Request
    status: Request | None = None
    balance: Request | None = None
    callback: Callback | None = None
    repeatable: bool = False
    """A repeat with the same {client_id} sends nothing new."""
    max_per_second: Annotated[float, Meta(ge=0, le=10_000)] = 0.0
    """Messages, in this process; 0: as many as come."""
    countries: tuple[Annotated[str, Meta(pattern=r"^[A-Z]{2}" + END)], ...] = ()
    """Where it sends to; empty for anywhere."""
