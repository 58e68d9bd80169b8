"""The OpenAPI document at /schema/openapi.json and, at /schema, a page to try the API. Nothing comes from a CDN."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.connection import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
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


_OUR_ASSETS = Path(__file__).parent / "static"
ROUTES = [create_static_files_router(ASSETS, [_assets(), _OUR_ASSETS], include_in_schema=False, opt={"public": True})]
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>otp-service</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{ASSETS}/swagger-ui.css">
</head>
<body>
<div id="swagger-container"></div>
<script src="{ASSETS}/swagger-ui-bundle.js"></script>
<script src="{ASSETS}/swagger-ui-standalone-preset.js"></script>
<script src="{ASSETS}/try-it.js"></script>
</body>
</html>
"""


class TryItPage(OpenAPIRenderPlugin):
    """Swagger UI in a page without inline scripts, so that its Content-Security-Policy need not allow them."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return _PAGE.encode()


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
        TryItPage(path="/"),
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
    in_order = sorted(paths, key=lambda path: (not path.startswith("/v1/"), len(path)))
    app.openapi_schema.paths = {path: paths[path] for path in in_order}
    for path, item in paths.items():
        for operation in (item.get, item.post, item.delete):
            if operation is None:
                continue
            if scope := scopes.get(operation.operation_id or ""):
                operation.security = [{"apiKey": [scope]}]
            if path.startswith("/health/"):
                operation.security = []
            if isinstance(operation.request_body, RequestBody):
                content = operation.request_body.content["application/json"].schema
                operation.request_body.required = not (isinstance(content, Schema) and content.one_of)


def _descendants(kind: type) -> list[type]:
    children: list[type] = kind.__subclasses__()
    return [found for child in children for found in (child, *_descendants(child))]
