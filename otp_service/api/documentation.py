"""The OpenAPI document at /schema/openapi.json and, at /schema, a page to try the API. Nothing comes from a CDN."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from litestar import Litestar
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, License, RequestBody, Schema, SecurityScheme
from litestar.static_files import create_static_files_router

from otp_service import __version__
from otp_service.api.schemas import Incoming

ASSETS = "/schema/assets"


def _assets() -> Path:
    """Swagger UI as the package swagger-ui-py ships it; found without importing that package's own code."""
    found = find_spec("swagger_ui")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("swagger_ui")
    return Path(found.submodule_search_locations[0]) / "static"


ROUTES = [create_static_files_router(ASSETS, [_assets()], include_in_schema=False, opt={"public": True})]
CONFIG = OpenAPIConfig(
    title="otp-service",
    version=__version__,
    description=(
        "Proves that a person holds a phone. Every error is a problem document (RFC 9457) with a stable `code`. "
        "`Idempotency-Key` is honoured on every POST."
    ),
    license=License(name="Apache-2.0", identifier="Apache-2.0"),
    path="/schema",
    security=[{"apiKey": []}],
    components=Components(security_schemes={"apiKey": SecurityScheme(type="http", scheme="bearer")}),
    render_plugins=[
        SwaggerRenderPlugin(
            path="/",
            js_url=f"{ASSETS}/swagger-ui-bundle.js",
            css_url=f"{ASSETS}/swagger-ui.css",
            standalone_preset_js_url=f"{ASSETS}/swagger-ui-standalone-preset.js",
            favicon="<link rel='icon' href='data:,'>",
        )
    ],
)


def complete(app: Litestar) -> None:
    """Say in the document what the framework leaves out: closed bodies, optional bodies, routes without a key."""
    schemas = app.openapi_schema.components.schemas or {} if app.openapi_schema.components else {}
    closed = {kind.__name__ for kind in _descendants(Incoming)}
    for name, schema in schemas.items():
        if isinstance(schema, Schema) and name in closed:
            schema.additional_properties = False
    paths = app.openapi_schema.paths or {}
    in_order = sorted(paths, key=lambda path: (not path.startswith("/v1/"), len(path)))
    app.openapi_schema.paths = {path: paths[path] for path in in_order}
    for path, item in paths.items():
        for operation in (item.get, item.post):
            if operation is None:
                continue
            if path.startswith("/health/"):
                operation.security = []
            if isinstance(operation.request_body, RequestBody):
                content = operation.request_body.content["application/json"].schema
                operation.request_body.required = not (isinstance(content, Schema) and content.one_of)


def _descendants(kind: type) -> list[type]:
    children: list[type] = kind.__subclasses__()
    return [found for child in children for found in (child, *_descendants(child))]
