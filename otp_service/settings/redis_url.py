"""The address of Redis as people write it: one server, Sentinels, a Cluster, or a server of our own."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode

from otp_service.domain.value import Hidden, Value
from otp_service.errors import SettingsError

Address = tuple[str, int]
Kind = Literal["single", "sentinel", "cluster", "embedded"]

_FORM = re.compile(
    r"(?P<tls>rediss?)(?:\+(?P<several>sentinel|cluster))?://"
    r"(?:(?P<login>[^@/?#]*)@)?(?P<hosts>[^@/?#]+)(?:/(?P<database>[0-9]{0,9}))?(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:\s]+)(?::(?P<port>[0-9]{1,5}))?")
_KINDS: dict[str, Kind] = {"single": "single", "sentinel": "sentinel", "cluster": "cluster"}
_PORTS = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_OF_SENTINEL = ("service", "sentinel_username", "sentinel_password")
_OF_TLS = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_OF_SERVERS = ("username", "password", "client_name")
_OF_KIND = {
    "single": (*_OF_SERVERS, "db"),
    "sentinel": (*_OF_SERVERS, "db", *_OF_SENTINEL),
    "cluster": _OF_SERVERS,
}


class RedisUrl(Value):
    """hosts: servers, or Sentinels; none for a Unix socket and the embedded server. secrets: passwords in the URL."""

    kind: Kind
    text: Hidden[str]
    hosts: tuple[Address, ...] = ()
    service: str = ""
    secrets: Hidden[tuple[str, ...]] = ()
    _scheme: str = "redis"
    _login: Hidden[str] = ""
    _sentinel_login: Hidden[str] = ""
    _database: str = ""
    _options: Hidden[str] = ""

    @property
    def where(self) -> str:
        """Hosts and ports, or the file: for people, without what is secret."""
        return ", ".join(map(_spelled, self.hosts)) or self.text.partition("?")[0]

    def of_server(self, address: Address | None = None) -> str:
        """The URL of one server that holds data, as redis-py reads it."""
        if address is None:
            return self.text
        return f"{self._scheme}://{self._login}{_spelled(address)}/{self._database}?{self._options}"

    def of_sentinel(self, address: Address) -> str:
        return f"{self._scheme}://{self._sentinel_login}{_spelled(address)}/?{self._options}"


def parse(text: str) -> RedisUrl:
    """Raises SettingsError that says what is wrong."""
    if re.match(r"embedded:.", text):
        return RedisUrl("embedded", text)
    if re.match(r"unix://.", text):
        options = dict(parse_qsl(text.partition("?")[2]))
        _refuse_unknown(options, _OF_KIND["single"])
        return RedisUrl("single", text, secrets=_secrets(options))
    found = _FORM.fullmatch(text)
    if not found:
        if re.match(r"rediss?(\+(sentinel|cluster))?://.", text):
            raise _wrong(
                "it is written scheme://user:password@host:port/database, the database a number, and @ / ? # in a "
                "password as %40 %2F %3F %23"
            )
        raise _wrong(
            "must begin with redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster://, "
            "rediss+cluster://, unix:// or embedded:"
        )
    kind: Kind = _KINDS[found["several"] or "single"]
    options = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    _refuse_unknown(options, (*_OF_KIND[kind], *(_OF_TLS if found["tls"] == "rediss" else ())))
    hosts = tuple(_address(host, _PORTS[kind]) for host in found["hosts"].split(","))
    if kind == "single" and len(hosts) > 1:
        raise _wrong("several servers are redis+sentinel:// or redis+cluster://; redis:// has one")
    if kind == "sentinel" and not options.get("service"):
        raise _wrong("the name of the primary is missing, as in redis+sentinel://host:26379/0?service=otp")
    if kind == "cluster" and int(found["database"] or 0):
        raise _wrong("a Cluster has the database 0 alone")
    login = found["login"]
    username, password = (quote(options.get(f"sentinel_{name}", ""), safe="") for name in ("username", "password"))
    return RedisUrl(
        kind,
        text,
        hosts,
        options.get("service", ""),
        (*_secrets(options), *([unquote(login.partition(":")[2])] if login and ":" in login else [])),
        found["tls"],
        f"{login}@" if login else "",
        f"{username}:{password}@" if username or password else "",
        found["database"] or "",
        urlencode({name: value for name, value in options.items() if name not in _OF_SENTINEL}),
    )


def _wrong(sentence: str) -> SettingsError:
    return SettingsError(f"redis.url: {sentence}")


def _refuse_unknown(options: dict[str, str], known: tuple[str, ...]) -> None:
    for name in options:
        if name not in known:
            raise _wrong(f"there is no option {name!r}; there are: {', '.join(known)}")


def _secrets(options: dict[str, str]) -> tuple[str, ...]:
    return tuple(options[name] for name in ("password", "sentinel_password") if options.get(name))


def _address(text: str, port: int) -> Address:
    found = _HOST.fullmatch(text)
    number = int(found["port"] or port) if found else 0
    if not found or not 0 < number < 65536:
        raise _wrong(f"{text!r} is no address; write host:{port}")
    return found["host"].strip("[]"), number


def _spelled(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
