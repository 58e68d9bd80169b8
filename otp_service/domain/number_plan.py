"""To which operator a Russian mobile number was given first, by its code: for statistics of routes, where no provider
was asked. A number that was ported keeps its code, so this is a hint, and nothing is refused because of it."""

from __future__ import annotations

from otp_service.domain import recipients
from otp_service.domain.phone import Number, Phone

_CODES = {
    "МТС": "910 911 912 913 914 915 916 917 918 919 978 980 981 982 983 984 985 986 987 988 989",
    "Мегафон": "920 921 922 923 924 925 926 927 928 929 930 931 932 933 934 936 937 938 939 997 999",
    "Beeline": "903 905 906 909 960 961 962 963 964 965 966 967 968 976",
    "Теле2": "900 901 902 904 908 950 951 952 953 958 977 991 992 993 994 995 996",
}
"""Spelt as TargetSMS spells them (X20, X23). What several operators share stands with the one that has most of it."""
_OPERATORS = {code: operator for operator, codes in _CODES.items() for code in codes.split()}
UNKNOWN, LONGEST = "?", 40


def given_to(e164: str) -> str:
    """'' where the code says nothing."""
    return _OPERATORS.get(e164[2:5], "") if e164.startswith("+7") and len(e164) == 12 else ""


def operator_of(to: str, number: Number) -> str:
    """As a provider said it, else as the number plan has it; '' where neither is known."""
    named = "".join(sign for sign in number.operator if sign.isprintable() and sign not in "|=")[:LONGEST].strip()
    return named or given_to(to)


def group_of(to: str, number: Number) -> str:
    """What routes learn of: the operator, or the country where it is not known. to: '' where it cannot be read."""
    if named := operator_of(to, number):
        return named
    recipient = recipients.known(to) if to else None
    return recipient.region if isinstance(recipient, Phone) and recipient.region else UNKNOWN
