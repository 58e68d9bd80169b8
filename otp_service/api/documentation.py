"""The OpenAPI document at /schema/openapi.json and, at /schema, a page to try the API. Nothing comes from a CDN."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from litestar import Litestar
from litestar.connection import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import (
    Components,
    License,
    OpenAPIType,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.static_files import create_static_files_router

from otp_service import __version__
from otp_service.api import openapi, problems
from otp_service.domain.events import EventType
from otp_service.domain.locales import LOCALES
from otp_service.domain.pumping import Word
from otp_service.domain.scopes import KeyScope
from otp_service.domain.totp import DIGITS, PERIODS, Algorithm
from otp_service.domain.verifications import Status
from otp_service.schemas.factors import ImportedAs
from otp_service.schemas.incoming import Incoming
from otp_service.schemas.verifications import Channel, StepChannel

ASSETS = "/schema/assets"


def swagger_ui() -> Path:
    """Swagger UI as the package swagger-ui-py ships it; found without importing that package's own code."""
    found = find_spec("swagger_ui")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("swagger_ui")
    return Path(found.submodule_search_locations[0]) / "static"


ROUTES = [
    create_static_files_router(
        ASSETS, [swagger_ui(), Path(__file__).parent / "static"], include_in_schema=False, opt={"public": True}
    )
]
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>otp-service</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{ASSETS}/swagger-ui.css">
<link rel="stylesheet" href="{ASSETS}/try-it.css">
</head>
<body>
<div id="swagger-container"></div>
<script src="{ASSETS}/swagger-ui-bundle.js"></script>
<script src="{ASSETS}/swagger-ui-standalone-preset.js"></script>
<script src="{ASSETS}/try-it.js"></script>
</body>
</html>
"""


WORDS: Mapping[str, Sequence[str | int]] = {
    "ProblemCode": [*problems.STATUSES],
    "EventType": [*EventType],
    "Channel": get_args(Channel),
    "StepChannel": get_args(StepChannel),
    "Locale": LOCALES,
    "Platform": ("web", "android", "ios"),
    "Algorithm": [*Algorithm],
    "GuardDecision": [*Word],
    "GatewayHealth": ("ok", "trial", "down"),
    "CircuitState": ("closed", "half_open", "open"),
    "Scope": [*KeyScope],
    "VerificationEnd": [one for one in Status if one is not Status.PENDING],
    "ImportedAs": get_args(ImportedAs),
    "CodeDigits": DIGITS,
    "CodePeriod": PERIODS,
    "SecretEncoding": ("base32", "hex", "base64", "raw"),
}
"""Closed words that are plain text in the types of answers, by the names of their components."""
WHERE: Mapping[tuple[str, str], str] = {
    ("Problem", "code"): "ProblemCode",
    ("Problem", "scope"): "Scope",
    ("Problem", "verification_status"): "VerificationEnd",
    ("EventView", "type"): "EventType",
    ("GuardView", "decision"): "GuardDecision",
    ("GatewayView", "health"): "GatewayHealth",
    ("GatewayView", "circuit"): "CircuitState",
    ("VerificationView", "locale"): "Locale",
}


class TryItPage(OpenAPIRenderPlugin):
    """Swagger UI in a page without inline scripts, so that its Content-Security-Policy need not allow them."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return _PAGE.encode()


class Document(JsonRenderPlugin):
    """The document as JSON, with its prose and examples."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return self.render_json(request, openapi.finish(openapi_schema))


CONFIG = OpenAPIConfig(
    title="otp-service",
    version=__version__,
    description=(
        "Proves that a person holds a phone: send a code, then check what the person typed. For your back end: never "
        "give an API key to a browser or an app.\n\n"
        "Every error is a problem document (RFC 9457) with a stable `code`. Send an `Idempotency-Key` with every POST, "
        "a new one for every act of the person; a lost answer can then be asked for again without a second SMS."
    ),
    license=License(name="Apache-2.0", identifier="Apache-2.0"),
    path="/schema",
    security=[{"apiKey": []}],
    use_handler_docstrings=True,
    components=Components(security_schemes={"apiKey": SecurityScheme(type="http", scheme="bearer")}),
    render_plugins=[
        TryItPage(path="/"),
        Document(),
    ],
)


def complete(app: Litestar) -> None:
    """Say in the document what the framework leaves out: closed bodies, optional bodies, which scope a key needs."""
    schemas = app.openapi_schema.components.schemas or {} if app.openapi_schema.components else {}
    closed = {kind.__name__ for kind in _descendants(Incoming)}
    for name, schema in schemas.items():
        if isinstance(schema, Schema) and name in closed:
            schema.additional_properties = False
    scopes = {
        handler.operation_id: str(handler.opt["scope"])
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if "scope" in handler.opt
    }
    paths = app.openapi_schema.paths or {}
    _polish(schemas, paths)
    for path, item in paths.items():
        for operation in (item.get, item.post, item.delete):
            if operation is None:
                continue
            if scope := scopes.get(operation.operation_id or ""):
                operation.security = [{"apiKey": [scope]}]
            if path.startswith("/health/"):
                operation.security = []
            if isinstance(operation.request_body, RequestBody):
                media = operation.request_body.content["application/json"]
                optional = isinstance(media.schema, Schema) and media.schema.one_of
                operation.request_body.required = not optional
                if optional:  # a body that may be absent is that, and not a body that may be null
                    media.schema = next(one for one in optional if isinstance(one, Reference))


def _polish(components: dict[str, Schema], paths: Mapping[str, PathItem]) -> None:
    """What generators of clients stumble over: words without a type, bounds in Python's spelling, defaults that make a
    field obligatory in answers of theirs."""
    requests = {kind.__name__ for kind in _descendants(Incoming)}
    for name, words in WORDS.items():
        kind = OpenAPIType.INTEGER if isinstance(words[0], int) else OpenAPIType.STRING
        components[name] = Schema(type=kind, enum=list(words), title=name)
    for (owner, name), word in WHERE.items():
        properties = components[owner].properties or {}
        was = properties[name]
        properties[name] = _of_words(word, nullable=isinstance(was, Schema) and bool(was.one_of))
    for owner, schema in components.items():
        for name, found in (schema.properties or {}).items():
            if not isinstance(found, Schema):
                continue
            _respell(found)
            if owner in requests and found.default is not None:
                if found.default != "":
                    said = found.default if isinstance(found.default, str) else json.dumps(found.default)
                    found.description = f"{found.description or ''} Default: `{said}`.".strip()
                found.default = None
            named = next((word for word, words in WORDS.items() if set(found.enum or ()) - {None} == set(words)), None)
            if named and schema.properties is not None:
                schema.properties[name] = _of_words(named, nullable=None in (found.enum or ()), text=found.description)
    for item in paths.values():
        for operation in (item.get, item.post, item.delete):
            for parameter in (operation and operation.parameters) or ():
                if isinstance(parameter, Parameter) and isinstance(parameter.schema, Schema):
                    _respell(parameter.schema)


def _respell(schema: Schema) -> None:
    """A pattern as every engine reads it, also RE2 and JavaScript: what follows `$` only Python needs, and characters
    beyond Latin-1 have no spelling that all know. So it lets through some that we refuse, which descriptions say."""
    if schema.pattern:
        latin_alone = re.sub(r"\\u[0-9a-f]{4}(-\\u[0-9a-f]{4})?", "", schema.pattern)
        schema.pattern = latin_alone.removesuffix(r"(?!\n)")


def _of_words(word: str, *, nullable: bool, text: str | None = None) -> Schema | Reference:
    named = Reference(f"#/components/schemas/{word}")
    if nullable:
        return Schema(one_of=[named, Schema(type=OpenAPIType.NULL)], description=text)
    return Schema(all_of=[named], description=text) if text else named


def _descendants(kind: type) -> list[type]:
    children: list[type] = kind.__subclasses__()
    return [found for child in children for found in (child, *_descendants(child))]
