"""Makes the requests that the templates describe: address, headers, body, and what proves who we are."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Collection, Mapping
from urllib.parse import quote, urlencode
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml.ElementTree import fromstring

from otp_service.domain.value import Hidden, Value
from otp_service.errors import SettingsError
from otp_service.gateways.described.config import Auth, Request, Signature
from otp_service.gateways.described.templates import Template, Values, in_header, in_url, parse, parse_tree
from otp_service.gateways.http import HttpClient, Reply

MOMENT = frozenset({"timestamp", "nonce"})
"""Drawn for each request."""
SIGNED = frozenset({"method", "path", "body", "body_sha256"})
"""Of the request itself, for what is signed."""
_NO_CHAR = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, be it written as a number or not (XML 1.0, 2.2)."""
RESERVED = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


class Prepared(Value):
    """One request, ready to go."""

    method: str
    path: Hidden[str]
    headers: Hidden[dict[str, str]]
    content: Hidden[bytes]


class _Signer(Value):
    header: str
    key: Template
    over: Template
    value: Template
    settings: Signature


class RequestMaker:
    """known: the names of values that `make` will be given, beside those of `MOMENT`. Raises `SettingsError`."""

    def __init__(self, request: Request, auth: Auth, known: Collection[str], where: str) -> None:
        names = {*known, *MOMENT}
        self.request = request
        self._path = parse(request.path, names, f"{where}.path")
        if not request.path.startswith("/") or "?" in request.path or "#" in request.path:
            raise SettingsError(f"{where}.path: must begin with / and hold neither ? nor #; parameters go to `query`")
        self._query = _templates(request.query, names, f"{where}.query")
        self._headers = _templates(request.headers, names, f"{where}.headers")
        bodies = [name for name in ("form", "json", "xml") if getattr(request, name) not in (None, "")]
        if len(bodies) > 1:
            raise SettingsError(f"{where}: {' and '.join(bodies)}: a request has one body")
        if bodies and request.method == "GET":
            raise SettingsError(f"{where}.{bodies[0]}: a GET has no body")
        self._form = _templates(request.form or {}, names, f"{where}.form") if request.form is not None else None
        self._json = parse_tree(request.json, names, f"{where}.json") if request.json is not None else None
        self._xml = _XmlTemplate(request.xml, names, f"{where}.xml") if request.xml else None
        where = where.rpartition(".")[0] + ".auth"
        self._basic = (
            (parse(auth.basic.user, names, f"{where}.basic"), parse(auth.basic.password, names, f"{where}.basic"))
            if auth.basic
            else None
        )
        self._bearer = parse(auth.bearer, names, f"{where}.bearer") if auth.bearer else None
        self._signer = signer(auth.signature, names, f"{where}.signature") if auth.signature else None
        given = {name.lower() for name in request.headers}
        for name in given | ({auth.signature.header.lower()} if auth.signature else set()):
            if name in RESERVED or not name.replace("-", "").isalnum() or not name.isascii():
                raise SettingsError(f"{where}: the header {name!r} cannot be set")

    @property
    def names(self) -> set[str]:
        """Which values it needs."""
        parts = (self._json, self._xml, self._path, *self._query.values(), *self._headers.values())
        found = {name for part in parts if part for name in part.names}
        return found | {name for template in (self._form or {}).values() for name in template.names}

    def make(self, values: Values) -> Prepared:
        """Raises `GatewayError` BAD_REQUEST where a value does not fit its place."""
        values = {**values, "timestamp": str(int(time.time())), "nonce": secrets.token_hex(16)}
        path = self._path.fill(values, in_url)
        if self._query:
            filled = {name: template.fill(values) for name, template in self._query.items()}
            path += "?" + urlencode(filled, quote_via=quote, errors="replace")
        headers = {name: template.fill(values, in_header) for name, template in self._headers.items()}
        content = b""
        if self._form is not None:
            filled = {name: template.fill(values) for name, template in self._form.items()}
            content = urlencode(filled, errors="replace").encode()
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        elif self._json is not None:
            content = json.dumps(self._json.fill(values), ensure_ascii=False).encode("utf-8", "replace")
            headers.setdefault("Content-Type", "application/json; charset=utf-8")
        elif self._xml is not None:
            content = self._xml.fill(values)
            headers.setdefault("Content-Type", "text/xml; charset=utf-8")
        if self._basic:
            pair = ":".join(template.fill(values) for template in self._basic)
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if self._bearer:
            headers["Authorization"] = f"Bearer {self._bearer.fill(values, in_header)}"
        if self._signer:
            own = {"method": self.request.method, "path": path}
            headers[self._signer.header] = signed(self._signer, {**values, **own}, content)
        return Prepared(self.request.method, path, headers, content)

    async def send(self, http: HttpClient, values: Values, seconds: float) -> Reply:
        """Raises `GatewayError`."""
        made = self.make(values)
        return await http.exchange(made.method, made.path, content=made.content, headers=made.headers, seconds=seconds)


def signer(settings: Signature, known: Collection[str], where: str) -> _Signer:
    """Raises `SettingsError`."""
    names = {*known, *MOMENT, *SIGNED}
    return _Signer(
        settings.header,
        parse(settings.key, known, f"{where}.key"),
        parse(settings.over, names, f"{where}.over"),
        parse(settings.value, {"signature", *names}, f"{where}.value"),
        settings,
    )


def signed(signer: _Signer, values: Values, body: bytes) -> str:
    """What the header holds for this body."""
    # Bytes that are no UTF-8 stay what they are, so that a signature over them is one over them.
    every = {**values, "body": body.decode("utf-8", "surrogateescape"), "body_sha256": hashlib.sha256(body).hexdigest()}
    over = signer.over.fill(every).encode("utf-8", "surrogateescape")
    digest = hmac.new(signer.key.fill(values).encode(), over, signer.settings.algorithm).digest()
    written = digest.hex() if signer.settings.encoding == "hex" else base64.b64encode(digest).decode()
    return signer.value.fill({**every, "signature": written}, in_header)


class _XmlTemplate:
    """An XML document whose texts and attributes are templates. It is parsed before it is filled in, so a value can
    never become markup. Raises `SettingsError`."""

    def __init__(self, written: str, known: Collection[str], where: str) -> None:
        try:
            self._root: Element = fromstring(written.strip(), forbid_dtd=True)
        except (ParseError, ValueError):
            raise SettingsError(f"{where}: is no well-formed XML document without a DOCTYPE") from None
        texts = [text for each in self._root.iter() for text in (each.text, each.tail, *each.attrib.values()) if text]
        self._templates = {text: parse(text, known, where) for text in texts}

    @property
    def names(self) -> set[str]:
        return {name for template in self._templates.values() for name in template.names}

    def fill(self, values: Values) -> bytes:
        return b'<?xml version="1.0" encoding="utf-8"?>' + tostring(self._filled(self._root, values)).strip()

    def _filled(self, found: Element, values: Values) -> Element:
        made = Element(found.tag, {name: self._text(text, values) or "" for name, text in found.attrib.items()})
        made.text, made.tail = self._text(found.text, values), self._text(found.tail, values)
        made.extend(self._filled(each, values) for each in found)
        return made

    def _text(self, text: str | None, values: Values) -> str | None:
        if not text:
            return text
        return _NO_CHAR.sub("", self._templates[text].fill(values))


def _templates(written: Mapping[str, str], known: Collection[str], where: str) -> dict[str, Template]:
    return {name: parse(text, known, f"{where}.{name}") for name, text in written.items()}
