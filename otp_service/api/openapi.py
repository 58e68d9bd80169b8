"""The last touches of the OpenAPI document, as plain JSON values: its prose, its examples, headers, problems, webhooks.

What the framework knows of types and routes comes in; api/documentation.py has mended it by then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from otp_service.api import descriptions, examples, problems
from otp_service.schemas import webhooks

Json = dict[str, Any]
_METHODS = ("get", "post", "delete")
_HEADERS: Json = {
    "X-Request-Id": ("string", "The id of this request in our log; yours, where you sent one.", "9f86d081884c7d65"),
    "Retry-After": ("integer", "Whole seconds to wait before the request is repeated.", 30),
    "ETag": ("string", "The state that this answer shows; send it as `If-None-Match` to wait for the next.", '"7"'),
    "WWW-Authenticate": ("string", "The way to authenticate.", "Bearer"),
    "Content-Disposition": ("string", "The name of the file.", 'attachment; filename="backup-codes.txt"'),
    "webhook-id": (
        "string",
        "Names the event, and stays the same however often it is told.",
        "evt_web_1767268800026-0",
    ),
    "webhook-timestamp": ("string", "Time of this attempt, in seconds since 1970.", "1767268801"),
    "webhook-signature": (
        "string",
        "`v1,` and a base64 HMAC-SHA256 over `id.timestamp.body`; several are separated by spaces.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
}
_REF = "#/components"


def finish(document: Json) -> Json:
    """The document as it is served, in place: the framework keeps it, so it is finished once."""
    if "webhooks" in document:
        return document
    components = document["components"]
    schemas = components["schemas"]
    _add_webhooks(document, schemas)
    components["headers"] = {name: _header(name) for name in _HEADERS if not name.startswith("webhook-")}
    components["examples"] = {
        code: {"summary": descriptions.PROBLEMS.get(code, code), "value": examples.problem(code)}
        for code in problems.STATUSES
    }
    components["responses"] = {}
    document["tags"] = [{"name": name, "description": text} for name, text in descriptions.TAGS.items()]
    for _, _, operation in operations(document):
        _finish_operation(operation, components["responses"])
    ranks = {name: rank for rank, name in enumerate(examples.ANSWERS)}
    last = len(ranks)
    document["paths"] = dict(
        sorted(
            document["paths"].items(),
            key=lambda item: min(ranks.get(item[1][each]["operationId"], last) for each in _METHODS if each in item[1]),
        )
    )
    for owner, schema in schemas.items():
        schema["description"] = descriptions.COMPONENTS.get(owner) or _one_line(schema.get("description", ""))
        for name, found in schema.get("properties", {}).items():
            # A field's own sentence goes before the glossary's; a default is said after either.
            said = found.get("description", "")
            if not said or said.startswith("Default:"):
                told = descriptions.FIELDS_OF.get((owner, name)) or descriptions.FIELDS.get(name, "")
                found["description"] = f"{told} {said}".strip()
            if "$ref" in found:  # beside it, generators of clients read nothing
                found["allOf"] = [{"$ref": found.pop("$ref")}]
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and operation of each."""
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _finish_operation(operation: Json, shared: Json) -> None:
    name = operation["operationId"]
    operation["description"] = _one_line(operation.get("description", ""))
    operation.pop("deprecated", None)
    for parameter in operation.get("parameters", ()):
        parameter.pop("deprecated", None)
        schema = parameter["schema"]
        schema.pop("description", None)
        if "oneOf" in schema:  # absent it may be, and never null
            (kind,) = [one for one in schema.pop("oneOf") if one != {"type": "null"}]
            parameter["schema"] = {**kind, **schema}
        parameter.setdefault("description", descriptions.PARAMETERS.get(parameter["name"], ""))
    if "requestBody" in operation and name in examples.REQUESTS:
        operation["requestBody"]["content"]["application/json"]["example"] = examples.REQUESTS[name]
    answers = operation["responses"]
    for status, answer in answers.items():
        answers[status] = _success(name, answer) if int(status) < 400 else _problem(answer, status, shared)
    operation["responses"] = dict(sorted(answers.items()))


def _success(name: str, answer: Json) -> Json:
    headers = ["X-Request-Id"]
    media = answer["content"]
    if name in examples.ANSWERS:
        media["application/json"]["example"] = examples.ANSWERS[name]
    if name in examples.TEXTS:
        media["text/plain"] = {"schema": {"type": "string"}, "example": examples.TEXTS[name]}
        headers.append("Content-Disposition")
    if name in ("getVerification", "getDelivery"):
        headers.append("ETag")
    answer["headers"] = _refer_to_headers(headers)
    return answer


def _problem(answer: Json, status: str, shared: Json) -> Json:
    """What all operations have is written once, in the components."""
    codes = sorted(set(re.findall(r"`([a-z_]+)`", answer["description"])), key=[*problems.STATUSES].index)
    headers = ["X-Request-Id"]
    if status in ("429", "503") or "request_in_progress" in codes:
        headers.append("Retry-After")
    if status == "401":
        headers.append("WWW-Authenticate")
    content = answer["content"][problems.MEDIA_TYPE]
    content["examples"] = {code: {"$ref": f"{_REF}/examples/{code}"} for code in codes}
    answer["description"] = "\n".join(f"- `{code}`: {descriptions.PROBLEMS.get(code, '')}" for code in codes)
    answer["headers"] = _refer_to_headers(headers)
    if not set(codes) <= set(problems.ALWAYS):
        return answer
    name = "".join(word.title() for word in "_or_".join(codes).split("_"))
    shared[name] = answer
    return {"$ref": f"{_REF}/responses/{name}"}


def _add_webhooks(document: Json, schemas: Json) -> None:
    bodies = webhooks.bodies()
    _, found = msgspec.json.schema_components(bodies.values(), ref_template=_REF + "/schemas/{name}")
    for name, schema in found.items():
        schemas.setdefault(name, schema)
    document["webhooks"] = {}
    for kind, payloads in webhooks.PAYLOADS.items():
        told = [{"$ref": f"{_REF}/schemas/{bodies[data].__name__}"} for data in payloads]
        about = examples.EVENTS[payloads[0].__name__]
        sample = {"type": kind, "timestamp": "2026-01-01T12:00:00Z", "sequence": 41, "data": about}
        document["webhooks"][kind] = {
            "post": {
                "operationId": "on" + "".join(word.title() for word in re.split(r"[._]", kind)),
                "summary": descriptions.EVENTS[kind],
                "description": "Comes at least once, signed as Standard Webhooks 1.0.0 says. Verify the signature, "
                "answer 2xx, then do your work.",
                "tags": ["webhooks"],
                "security": [],
                "parameters": [
                    {"name": name, "in": "header", "required": True} | _header(name)
                    for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": told[0] if len(told) == 1 else {"oneOf": told},
                            "example": sample,
                        }
                    },
                },
                "responses": {
                    "2XX": {"description": "You have it."},
                    "410": {"description": "Never again: the endpoint is disabled."},
                    "4XX": {"description": "400, 413, 415 and 422: you refuse this event. Others: it is tried again."},
                    "5XX": {"description": "It is tried again."},
                },
            }
        }


def _header(name: str) -> Json:
    kind, text, sample = _HEADERS[name]
    return {"description": text, "schema": {"type": kind}, "example": sample}


def _refer_to_headers(names: list[str]) -> Json:
    return {name: {"$ref": f"{_REF}/headers/{name}"} for name in names}


def _one_line(text: str) -> str:
    return " ".join(text.split())
