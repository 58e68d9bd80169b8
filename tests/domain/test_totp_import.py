"""P-4: imports never succeed at nothing, and never give a factor to the wrong person.

The fixtures are made by us, in the forms that the apps and servers publish.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_service.domain.totp import Algorithm, Generator
from otp_service.domain.totp_exports import UnreadableError
from otp_service.domain.totp_import import Row, rows

FIXTURES = Path(__file__).parents[1] / "fixtures" / "totp"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
BYTES = base64.b32decode(SECRET)


def told(text: str) -> list[str]:
    """The subject of each that is read, or what is wrong."""
    return [found.subject if isinstance(found, Row) else f"! {found}" for found in rows(text)]


EXPORTS: dict[str, list[tuple[str, int, str, int] | str]] = {
    "aegis.json": [("anna", 8, "SHA256", 60), "counters (HOTP) are not taken"],
    "2fas.2fas": [("anna", 6, "SHA1", 30)],
    "andotp.json": [("anna", 6, "SHA1", 30)],
    "freeotp-plus.json": [("anna", 6, "SHA1", 30)],
    "bitwarden.json": [("anna", 6, "SHA1", 30), ("boris", 6, "SHA1", 30)],
    "keycloak.json": [("anna", 6, "SHA1", 30), ("boris", 6, "SHA256", 30)],
    "ente.txt": [("anna", 6, "SHA1", 30), ("boris", 6, "SHA1", 30)],
    "google.txt": [("anna", 6, "SHA1", 30), ("boris", 8, "SHA256", 30), "counters (HOTP)", "two ways"],
    "privacyidea-oath.csv": [("anna", 6, "SHA1", 30), ("boris", 8, "SHA1", 60)],
    "microsoft.csv": [("anna@example.ru", 6, "SHA1", 60)],
}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports(name: str) -> None:
    found = list(rows((FIXTURES / name).read_text("utf-8")))
    assert len(found) == len(EXPORTS[name])
    for row, wanted in zip(found, EXPORTS[name], strict=True):
        if isinstance(wanted, str):
            assert isinstance(row, ValueError)
            assert wanted in str(row)
            continue
        assert isinstance(row, Row), row
        made = row.generator
        assert (row.subject, made.digits, made.algorithm, made.period) == wanted
        assert made.secret == (b"aB3dE5gH7jK9mN1pQ2rS" if (name, row.subject) == ("keycloak.json", "anna") else BYTES)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ((FIXTURES / "aegis-encrypted.json").read_text(), "is encrypted"),
        ('{"servicesEncrypted": "x:y", "services": []}', "is encrypted"),
        ("{}", "none of the exports"),
        ("[]", "none of the exports"),
        ("{", "neither CSV nor URIs nor sound JSON"),
        ("[" * 100_000, "neither CSV nor URIs nor sound JSON"),
        ('{"tokens": []}', "no authenticator"),
        ('{"tokens": [5]}', "not the form"),
        ('{"services": [{"secret": "x"}]}', "not the form"),
        ((FIXTURES / "oath-without-header.csv").read_text(), "line 1: this is an OATH CSV of tokens"),
        (f"anna,{SECRET}\n", "line 1: there is no header line"),
        (f"subject,name\nanna,{SECRET}\n", "line 1: columns are missing"),
        (f"secret\n{SECRET}\n", "line 1: columns are missing"),
        (f"subject,secret,colour\nanna,{SECRET},red\n", "line 1: there is a column that is not one of"),
        (f"sep=;\nsubject;secret;secret\nanna;{SECRET};x\n", "line 2: the header line names a column twice"),
    ],
)
def test_files_that_are_refused_as_a_whole(text: str, cause: str) -> None:
    with pytest.raises(UnreadableError, match=cause.replace("(", r"\(")) as refused:
        list(rows(text))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("text", ["", "\ufeff", " \r\n\n", "subject,secret\n", "subject;secret\r\n;\r\n"])
def test_nothing_is_nothing(text: str) -> None:
    assert list(rows(text)) == []


SPREADSHEETS = [
    f"subject,secret\nanna,{SECRET}\n",
    f"subject;secret\r\nanna;{SECRET}\r\n",
    f"subject\tsecret\nanna\t{SECRET}",
    f"\ufeffSubject ; SECRET\r\nanna;{SECRET}\r\n",
    f'"subject";"secret"\r\n"anna";"{SECRET}"\r\n',
    f"sep=;\r\nsubject;secret;;\r\nanna;{SECRET};;\r\n\r\n;;;\r\n",
    f"Subject,Secret\nanna, {SECRET.lower()} \n",
]


@pytest.mark.parametrize("text", SPREADSHEETS)
def test_spreadsheets(text: str) -> None:
    (row,) = rows(text)
    assert isinstance(row, Row), row
    assert (row.subject, row.generator.secret) == ("anna", BYTES)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (f"anna,{SECRET},5", "`digits` must be 6, 7 or 8"),
        ("anna,1.23E+15,6", "a spreadsheet has made a number of the secret"),
        ("anna,,6", "exactly one of `secret` and `uri`"),
        (f"anna,{SECRET},6,more", "more fields than the header line"),
        (f",{SECRET},6", "`subject` must be"),
        (f'anna,"{SECRET},6', "a quote or a line break is out of place"),
    ],
)
def test_wrong_lines_are_named(line: str, cause: str) -> None:
    found = list(rows(f"subject,secret,digits\nboris,{SECRET},7\n{line}\n"))
    assert isinstance(found[0], Row)
    assert found[0].generator.digits == 7
    assert str(found[1]).startswith("line 3: ") or "out of place" in cause
    assert cause in str(found[1])
    assert SECRET not in str(found[1])


@pytest.mark.parametrize(
    ("encoding", "secret"),
    [
        ("hex", BYTES.hex()),
        ("HEX", BYTES.hex().upper()),
        ("base64", base64.b64encode(BYTES).decode()),
        ("base32", SECRET),
    ],
)
def test_encodings_of_seeds(encoding: str, secret: str) -> None:
    (row,) = rows(f"subject,secret,encoding\nanna,{secret},{encoding}\n")
    assert isinstance(row, Row), row
    assert row.generator.secret == BYTES
    (raw,) = rows("subject,secret,encoding\nanna,12345678901234567890,raw\n")
    assert isinstance(raw, Row)
    assert raw.generator.code(1) == "287082"  # RFC 4226 appendix D
    (wrong,) = rows(f"subject,secret,encoding\nanna,{SECRET},hex\n")
    assert str(wrong) == "line 2: the secret is not hex"


LABELS = {  # label, issuer of the URI → subject; None where it could be somebody else
    ("Example:org%3A42", "Example"): "org:42",
    ("Example:org:42", "Example"): "org:42",
    ("Example%3Aanna", "Example"): "anna",
    ("Example:%20anna", "Example"): "anna",
    ("Example:anna", ""): "anna",
    ("anna", "Example"): "anna",
    ("anna", ""): "anna",
    ("A:B:anna", "A:B"): "anna",
    ("Example%3Aanna", ""): None,
    ("Other:anna", "Example"): None,
    ("org%3A42", "Example"): None,
    ("Example:org:42", ""): None,
}


@pytest.mark.parametrize(("label", "issuer"), LABELS)
def test_whose_it_is(label: str, issuer: str) -> None:
    uri = f"otpauth://totp/{label}?secret={SECRET}" + (f"&issuer={issuer}" if issuer else "")
    (found,) = rows(uri)
    wanted = LABELS[label, issuer]
    if wanted is None:
        assert isinstance(found, ValueError)
        assert str(found).startswith("line 1: the label can be read in two ways, because of its colon")
        (named,) = rows(f"subject,uri\nanna,{uri}\n")
        assert isinstance(named, Row)
        assert named.subject == "anna"
    else:
        assert isinstance(found, Row), found
        assert found.subject == wanted


subjects = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~:@|+=-]{0,127}", fullmatch=True)
issuers = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters=":"), min_size=1, max_size=40
)


@given(subjects, issuers)
def test_our_own_uris_come_back(subject: str, issuer: str) -> None:
    made = Generator(os.urandom(20), 8, Algorithm.SHA256, 60)
    (found,) = rows(made.uri(subject, issuer))
    if not issuer.isprintable() or len(subject) > 64:  # what no enrolment can have
        return
    assert isinstance(found, Row), found
    assert (found.subject, found.generator) == (subject, made)


def test_migration_codes_that_are_broken() -> None:
    good = (FIXTURES / "google.txt").read_text().strip()
    for cut in range(len("otpauth-migration://"), len(good), 7):
        for found in rows(good[:cut]):
            assert isinstance(found, Row) or str(found).startswith("line 1: ")
    for data in ("", "%%%", "AA==", "CgA=", "/////w=="):
        (found,) = rows(f"otpauth-migration://offline?data={data}")
        assert isinstance(found, ValueError)
