"""Passkeys of operators (WebAuthn Level 3), by `webauthn` from PyPI. Imported when somebody uses one.

What the library leaves to its caller is judged here: where the ceremony took place (§5.8.1 crossOrigin), which
attestation is looked at, how large an answer may be, and that a key can be used at all.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import structlog

from otp_service.console.visit import Visit, host_and_port
from otp_service.storage.operators import Account, Passkey, Session

if TYPE_CHECKING:
    from webauthn.helpers.cose import COSEAlgorithmIdentifier

LONGEST = 8192
"""Characters of an answer as JSON; one with a chain of certificates has some 5,000."""
LONGEST_ID = 1023
"""Bytes of a credential's id (§7.1 step 25)."""

log = structlog.get_logger()
Found = TypeVar("Found")


def _site(visit: Visit) -> tuple[str, str] | None:
    """Relying party id and origin: those of `public_url`; None where it has no name, for an address cannot be one."""
    public = visit.service.settings.service.public_url
    url = urlsplit(public)
    host = url.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host, f"{url.scheme}://{host_and_port(public)}"
    return None


def _algorithms() -> list[COSEAlgorithmIdentifier]:
    """What authenticators have (§5.4: ES256 and RS256 reach nearly all); each has a size that bounds its cost."""
    from webauthn.helpers.cose import COSEAlgorithmIdentifier as Known

    return [Known.EDDSA, Known.ECDSA_SHA_256, Known.RSASSA_PKCS1_v1_5_SHA_256]


def offer(visit: Visit, account: Account, challenge: str) -> str:
    """JSON for `navigator.credentials.create`; '' where passkeys cannot be used. challenge: hex digits, for once."""
    site = _site(visit)
    if site is None:
        return ""
    import webauthn
    from webauthn.helpers import structs

    made = webauthn.generate_registration_options(
        rp_id=site[0],
        rp_name="otp-service",
        user_name=account.operator.name,
        user_id=account.operator.id.encode(),
        challenge=bytes.fromhex(challenge),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            user_verification=structs.UserVerificationRequirement.REQUIRED
        ),
        supported_pub_key_algs=_algorithms(),
    )
    return webauthn.options_to_json(made)


def made(visit: Visit, challenge: str, said: Mapping[str, Any]) -> tuple[str, bytes] | None:
    """A new passkey as it is stored: its id and what is kept of it; None for what is no answer to the challenge."""
    site = _site(visit)
    if site is None:
        return None
    import webauthn
    from webauthn import helpers

    def judged() -> tuple[str, bytes]:
        _refuse_unusual(said)
        found = webauthn.verify_registration_response(
            credential=dict(said),
            expected_challenge=bytes.fromhex(challenge),
            expected_rp_id=site[0],
            expected_origin=site[1],
            require_user_verification=True,
            supported_pub_key_algs=_algorithms(),
        )
        if len(found.credential_id) > LONGEST_ID:
            raise ValueError("id too long")
        # Without an attestation nobody has looked yet whether this is a key.
        helpers.decoded_public_key_to_cryptography(helpers.decode_credential_public_key(found.credential_public_key))
        kept = msgspec.msgpack.encode(Passkey(found.credential_public_key, found.sign_count))
        return helpers.bytes_to_base64url(found.credential_id), kept

    return _taken(judged)


def question(visit: Visit, session: Session) -> str:
    """JSON for `navigator.credentials.get`; '' where the operator has none."""
    site = _site(visit)
    if site is None or not session.account.passkeys:
        return ""
    import webauthn
    from webauthn.helpers import base64url_to_bytes, structs

    asked = webauthn.generate_authentication_options(
        rp_id=site[0],
        challenge=bytes.fromhex(session.derived("passkey")),
        allow_credentials=[
            structs.PublicKeyCredentialDescriptor(id=base64url_to_bytes(each)) for each in session.account.passkeys
        ],
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(asked)


async def proved(visit: Visit, session: Session, said: Mapping[str, Any]) -> bool:
    """Whether it is the answer of one of the operator's passkeys to the question of this session, and the only one with
    this counter."""
    site, credential = _site(visit), str(said.get("id", ""))
    kept = session.account.passkeys.get(credential)
    if site is None or kept is None:
        return False
    import webauthn

    def judged() -> bytes:
        _refuse_unusual(said)
        passkey = msgspec.msgpack.decode(kept, type=Passkey)
        found = webauthn.verify_authentication_response(
            credential=dict(said),
            expected_challenge=bytes.fromhex(session.derived("passkey")),
            expected_rp_id=site[0],
            expected_origin=site[1],
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.used,
            require_user_verification=True,
        )
        return msgspec.msgpack.encode(Passkey(passkey.public_key, found.new_sign_count))

    renewed = _taken(judged)
    store = visit.service.stores.operators
    return renewed is not None and await store.use_passkey(session.operator.id, credential, kept, renewed)


def _refuse_unusual(said: Mapping[str, Any]) -> None:
    """What the library would take. Raises ValueError, and whatever the library raises for what it cannot read."""
    from webauthn import helpers
    from webauthn.helpers.structs import AttestationFormat

    response = said["response"]
    if sum(len(part) for part in response.values() if isinstance(part, str)) > LONGEST:
        raise ValueError("too long")
    told = helpers.parse_client_data_json(helpers.base64url_to_bytes(response["clientDataJSON"]))
    if told.cross_origin:  # the console is in no frame
        raise ValueError("asked for in a frame of another site")
    if "attestationObject" in response:
        # None is asked for; `packed` is what a key that vouches for itself says all the same. No chain is judged.
        attested = helpers.parse_attestation_object(helpers.base64url_to_bytes(response["attestationObject"]))
        if attested.fmt not in (AttestationFormat.NONE, AttestationFormat.PACKED) or attested.att_stmt.x5c:
            raise ValueError("an attestation that nobody asked for")


def _taken(judge: Callable[[], Found]) -> Found | None:
    """None for what is refused, however: the bytes are a stranger's, and the library raises what its parsers raise."""
    try:
        return judge()
    except Exception as error:
        log.info("passkey_refused", error=type(error).__name__)
        return None
