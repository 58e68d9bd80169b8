"""Where settings come from: one TOML file under the environment, `env:` and `file:` values resolved."""

from __future__ import annotations

import hashlib
import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from otp_service.domain import phone, recipients
from otp_service.domain.networks import Network
from otp_service.domain.secret import Secret, Secrets
from otp_service.domain.verifications import LEAST_LIFE_SECONDS
from otp_service.domain.webhooks import hook_secret_bytes
from otp_service.errors import Refused, SettingsError
from otp_service.settings import receivers, redis_url, wording, workflows
from otp_service.settings.limits import check_bounds, with_shipped
from otp_service.settings.section import END, Section
from otp_service.settings.values import FAMILIES, SECTIONS, Settings

PREFIX = "OTP__"
DEFAULT_FILE = "otp-service.toml"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

T = TypeVar("T")
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}" + END)]

SENSITIVE = re.compile(r"password|secret|token|api_key|signing_key|login")


def load(environ: Mapping[str, str], defaults: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings. `defaults` is laid under the file (development); the environment is laid over it.

    Raises SettingsError that names the key; where there is no file, it says where one was looked for.
    """
    try:
        return _load(environ, defaults)
    except SettingsError as error:
        if environ.get("OTP_CONFIG") or Path(DEFAULT_FILE).exists() or defaults:
            raise
        raise SettingsError(f"{error}. There are no settings: {places(environ)}") from None


def _load(environ: Mapping[str, str], defaults: Mapping[str, Any] | None) -> Settings:
    tables = _under(defaults or {}, _file(environ))
    for key in sorted(k for k in environ if k.startswith(PREFIX)):
        _override(tables, key, environ[key])
    credentials: set[str] = set()
    tables = {name: _resolve(value, environ, name, credentials) for name, value in tables.items()}
    unknown = sorted(set(tables) - set(SECTIONS) - set(FAMILIES) - {"gateways"})
    if unknown:
        known = ", ".join([*SECTIONS, *FAMILIES, "gateways"])
        raise SettingsError(f"{unknown[0]}: there is no such section; the sections are {known}")
    tables["limits"] = with_shipped(_tables(tables, "limits"))
    sections: dict[str, Any] = {name: convert(kind, tables.get(name, {}), name) for name, kind in SECTIONS.items()}
    families: dict[str, Any] = {
        family: {name: convert(kind, data, f"{family}.{name}") for name, data in _tables(tables, family).items()}
        for family, kind in FAMILIES.items()
    }
    bootstrap = environ.get("OTP_BOOTSTRAP_API_KEY")
    if bootstrap:
        credentials.add(bootstrap)
    credentials.update(redis_url.parse(sections["redis"].url).secrets)
    settings = Settings(
        **sections,
        **families,
        gateways=_tables(tables, "gateways"),
        bootstrap_api_key=Secret(bootstrap) if bootstrap else None,
        credentials=frozenset(value for value in credentials if len(value) >= 4),
        digest=hashlib.sha256(msgspec.json.encode(tables, order="deterministic")).hexdigest(),
    )
    _check(settings)
    return settings


def environment_named(environ: Mapping[str, str]) -> str | None:
    """Which environment the settings here are for, without needing their secrets; None where they leave it open.

    What has a root secret of its own stands by itself, and is for production unless it says otherwise.
    """
    service = _file(environ).get("service")
    of_file = service if isinstance(service, dict) else {}
    named = environ.get(f"{PREFIX}SERVICE__ENVIRONMENT") or of_file.get("environment")
    alone = "secret" in of_file or f"{PREFIX}SERVICE__SECRET" in environ
    return named or ("production" if alone else None)


def places(environ: Mapping[str, str]) -> str:
    """Where the settings here come from, for people: the file and how many variables."""
    named = environ.get("OTP_CONFIG")
    path = Path(named or DEFAULT_FILE)
    file = str(path.absolute()) if named or path.exists() else f"no file ({path.absolute()} is not there)"
    variables = sum(name.startswith(PREFIX) for name in environ)
    return f"{file}; {variables} variables {PREFIX}…"


def convert(kind: type[T], data: Any, where: str) -> T:
    """Turn a raw table into a typed value; strings from the environment may stand for numbers and booleans.

    Raises SettingsError naming `where.key`.
    """
    try:
        return msgspec.convert(data, kind, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise SettingsError(f"{where}{path.rstrip('`')}: {_plain(message)}") from None


def _decode(kind: type, value: Any) -> Any:
    if kind is Network:
        return Network.parse(value)
    several = list(value) if kind is Secrets and isinstance(value, list | tuple) else [value]
    if not several or not all(isinstance(item, str) and item for item in several):
        raise ValueError("Expected a string that is not empty" + (", or a list of them" if kind is Secrets else ""))
    secrets = [Secret(item) for item in several]
    return Secrets(*secrets) if kind is Secrets else secrets[0]


def _plain(message: str) -> str:
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message)
    if unknown:
        return f"there is no key {unknown[1]!r} here; docs/settings.md lists the keys"
    missing = re.fullmatch(r"Object missing required field `(.*)`", message)
    if missing:
        return f"the key {missing[1]!r} is missing"
    return message


def _file(environ: Mapping[str, str]) -> dict[str, Any]:
    named = environ.get("OTP_CONFIG")
    path = Path(named or DEFAULT_FILE)
    if not named and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"OTP_CONFIG: cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None


def _under(defaults: Mapping[str, Any], file: Mapping[str, Any]) -> dict[str, Any]:
    """Sections are merged key by key, gateways and routes name by name; other families are the file's alone."""
    merged = dict(defaults)
    for name, value in file.items():
        by_name = name in SECTIONS or name in ("gateways", "routes")
        both = by_name and isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = {**merged[name], **value} if both else value
    return merged


def _override(tables: dict[str, Any], key: str, value: str) -> None:
    path = [part.lower() for part in key.removeprefix(PREFIX).split("__")]
    if len(path) < 2 or not all(path):
        raise SettingsError(f"{key}: write it as {PREFIX}SECTION__KEY")
    section = path[0]
    if section not in SECTIONS and section not in FAMILIES and section != "gateways":
        raise SettingsError(f"{key}: there is no section {section!r}")
    nested = _nested(path) if section == "applications" else []
    if section not in SECTIONS and len(path) != 3 + len(nested):
        inner = "".join(f"{word.upper()}__" for word in nested)
        raise SettingsError(f"{key}: write it as {PREFIX}{section.upper()}__NAME__{inner}KEY")
    if section in SECTIONS and len(path) != 2:
        raise SettingsError(f"{key}: write it as {PREFIX}{section.upper()}__KEY")
    table = tables.setdefault(section, {})
    if section not in SECTIONS:
        # The table's own spelling of a name whose hyphens became underscores.
        same = (known for known in table if known.replace("-", "_").lower() == path[1])
        table = table.setdefault(next(same, path[1].replace("_", "-")), {})
        for word in nested:
            table = table.setdefault(word, {}) if isinstance(table, dict) else table
    if not isinstance(table, dict):
        raise SettingsError(f"{section}: must be a table")
    kind = SECTIONS.get(section) or FAMILIES.get(section)
    table[path[-1]] = value.split(",") if _takes_several(kind, path[-1], value) else value


def _nested(path: Sequence[str]) -> list[str]:
    """The tables within that of an application, as in `hooks`, `supabase`."""
    if path[2:3] == ["hooks"]:
        return list(path[2:4])
    return [word for word in path[2:3] if word in ("texts", "deliveries", "twilio")]


def _takes_several(kind: type[Section] | None, key: str, value: str) -> bool:
    """Whether a key holds a list, so that `a,b` in the environment means two values."""
    if kind is None:
        return False
    hint = typing.get_type_hints(kind).get(key)
    return typing.get_origin(hint) is tuple or (hint is Secrets and "," in value)


def _resolve(value: Any, environ: Mapping[str, str], where: str, credentials: set[str]) -> Any:
    """Replace `env:NAME` and `file:/path` everywhere below; remember what is secret."""
    if isinstance(value, dict):
        return {key: _resolve(item, environ, f"{where}.{key}", credentials) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, environ, where, credentials) for item in value]
    if not isinstance(value, str):
        return value
    if value.startswith("env:"):
        name = value.removeprefix("env:")
        if not environ.get(name):
            raise SettingsError(f"{where}: the environment variable {name} is not set")
        value = environ[name].rstrip("\r\n")  # as of a file: `export X="$(cat file; echo)"`, secrets of containers
    elif value.startswith("file:"):
        path = Path(value.removeprefix("file:"))
        try:
            value = path.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise SettingsError(f"{where}: cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{where}: cannot read {path}: it is not text in UTF-8") from None
    if SENSITIVE.search(where.rsplit(".", 1)[-1]) or ".secrets." in where:
        credentials.add(value)
    return value


def _tables(tables: Mapping[str, Any], family: str) -> dict[str, dict[str, Any]]:
    family_tables = tables.get(family, {})
    if not isinstance(family_tables, dict):
        raise SettingsError(f"{family}: must hold one table for each name, as [{family}.name]")
    for name, table in family_tables.items():
        if not isinstance(table, dict):
            raise SettingsError(f"{family}.{name}: must be a table, as [{family}.{name}]")
        convert(Name, name, f"{family}.{name}")
    return family_tables


def _check(settings: Settings) -> None:
    """What no single key can know."""
    if any(len(secret) < 32 for secret in settings.service.secret.reveal()):
        raise SettingsError("service.secret: must have 32 characters or more, for example from: openssl rand -hex 32")
    try:
        url = urlsplit(settings.service.public_url)
    except ValueError as error:
        raise SettingsError(f"service.public_url: {error}") from None
    if not url.hostname or (url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK)):
        raise SettingsError("service.public_url: must be https:// (http:// only on loopback)")
    if not settings.applications:
        raise SettingsError("applications: at least one is needed, as [applications.web]")
    for name, application in settings.applications.items():
        for key, regions in (("region", [application.region]), ("countries", application.countries)):
            for region in regions:
                if not phone.is_region(region):
                    raise SettingsError(f"applications.{name}.{key}: {region} is no country (ISO 3166-1 alpha-2)")
        if not application.brand:
            raise SettingsError(f"applications.{name}.brand: the name that the SMS shows is missing")
        if application.ttl_seconds < LEAST_LIFE_SECONDS and settings.service.environment == "production":
            raise SettingsError(
                f"applications.{name}.ttl_seconds: must be {LEAST_LIFE_SECONDS} or more; shorter lives are for "
                "development, to see a code expire"
            )
        wording.refuse_unfit(name, application)
        for secret in application.hooks.supabase.secret.reveal() if application.hooks.supabase else ():
            try:
                hook_secret_bytes(secret)
            except ValueError as error:
                raise SettingsError(f"applications.{name}.hooks.supabase.secret: {error}") from None
    if "sms" not in settings.routes:
        raise SettingsError("routes.sms: the route is missing; it lists the gateways in order")
    for name, route in settings.routes.items():
        for gateway in route.gateways:
            if gateway not in settings.gateways:
                known = ", ".join(settings.gateways) or "none"
                raise SettingsError(f"routes.{name}.gateways: there is no gateway {gateway!r}; there are: {known}")
        if len(set(route.gateways)) != len(route.gateways):
            raise SettingsError(f"routes.{name}.gateways: a gateway stands twice")
    for n, number in enumerate(settings.testing.numbers):
        try:
            recipients.read_any(number.phone, "ZZ")
        except Refused:
            raise SettingsError(f"testing.numbers[{n}].phone: write it with its country code") from None
    for name, application in settings.applications.items():
        workflows.refuse_unfit(settings, name, application)
    check_bounds(settings)
    receivers.webhook_endpoints(settings)
    bootstrap = settings.bootstrap_api_key.reveal() if settings.bootstrap_api_key else None
    if bootstrap is not None and not re.fullmatch(r"[\x21-\x7e]{32,256}", bootstrap):
        raise SettingsError("OTP_BOOTSTRAP_API_KEY: must be 32 to 256 printable ASCII characters without spaces")
