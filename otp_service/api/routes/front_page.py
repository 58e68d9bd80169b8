"""The page at / of a service for development: where everything is. In production there is none."""

from __future__ import annotations

from html import escape
from urllib.parse import urlsplit

from litestar import MediaType, get
from litestar.handlers import HTTPRouteHandler

from otp_service.settings import LOOPBACK, Settings

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>otp-service</title>
<link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.25rem; }}
dt {{ margin-top: 1rem; font-weight: 600; }}
dd {{ margin: 0; opacity: 0.8; }}
</style>
</head>
<body>
<h1>otp-service, for development</h1>
<p>Nothing here is secret, and nothing of it is shown in production.</p>
<dl>
{links}
</dl>
</body>
</html>
"""


def front_page(settings: Settings) -> list[HTTPRouteHandler]:
    """The route of the page, where there is one."""
    if settings.service.environment != "development":
        return []
    # Where the simulated gateways are; '' where they are not on this machine.
    urls = (str(table.get("base_url", "")) for table in settings.gateways.values())
    sandbox = next((url.rstrip("/") for url in urls if urlsplit(url).hostname in LOOPBACK), "")
    links = [
        *([(f"{sandbox}/demo", "Sign-up demo", "the whole story in a browser")] if sandbox else []),
        *([(f"{sandbox}/", "Phone inbox", "every message that the simulated gateways took")] if sandbox else []),
        *([(f"{sandbox}/traffic", "Requests and faults", "what gateways were asked; break one")] if sandbox else []),
        *([("/console", "Console", "what happens here, for operators")] if settings.console.enabled else []),
        ("/schema", "API", "the reference, with forms to try it"),
        ("/health/ready", "Readiness", "what a balancer asks"),
        ("/metrics", "Metrics", "for Prometheus"),
    ]
    told = "\n".join(
        f'<dt><a href="{escape(url)}">{escape(name)}</a></dt><dd>{escape(what)}</dd>' for url, name, what in links
    )
    text = _PAGE.format(links=f"{told}\n<dt>Documentation</dt><dd>docs/README.md in the folder of the project</dd>")

    @get("/", include_in_schema=False, opt={"public": True}, media_type=MediaType.HTML, sync_to_thread=False)
    def page() -> str:
        return text

    return [page]
