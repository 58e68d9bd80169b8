"""What a mail says: a subject, a plain text and an HTML text, each a template with placeholders.

The code stands whole in the subject and in both texts, alone in its line: mail programs offer it to forms that way. In
the HTML it has a name that spells it digit by digit, which screen readers say instead of a number of six figures.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from otp_service.domain.locales import minutes
from otp_service.domain.value import Hidden, Value

PLACEHOLDERS = ("code", "brand", "minutes", "spelled")
_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")


class MailTemplate(Value):
    """subject, text, html: with placeholders; any other brace stands for itself, since CSS is full of them."""

    subject: str
    text: str
    html: str


class Mail(Value):
    """One mail beside its plain text. sender_name: whom it is from, for people."""

    subject: Hidden[str]
    html: Hidden[str]
    sender_name: str


_HTML = """\
<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{brand}</title></head>
<body style="margin:0;padding:24px;background:#f4f5f7;color:#16181d;font:16px/1.5 system-ui,sans-serif">
<div style="max-width:30em;margin:0 auto;padding:24px;background:#fff;border-radius:8px">
<p style="margin:0 0 16px">{lead}</p>
<p role="img" aria-label="{spelled}" style="margin:0 0 16px;font:700 32px monospace;letter-spacing:4px">{code}</p>
<p style="margin:0 0 16px">{life}</p>
<p style="margin:0;color:#565b66">{warning}</p>
</div></body></html>
"""
_WORDS: Mapping[str, tuple[str, str, str, str]] = {
    "ru": (
        "{code} — код для {brand}", "Ваш код для {brand}:", "Действует {minutes}.",
        "Никому его не сообщайте. Если вы его не запрашивали, ничего делать не нужно.",
    ),
    "en": (
        "{code} is your {brand} code", "Your code for {brand}:", "It is good for {minutes}.",
        "Do not share it with anyone. If you did not ask for it, there is nothing to do.",
    ),
    "kk": (
        "{code} — {brand} коды", "{brand} үшін кодыңыз:", "Жарамдылық мерзімі: {minutes}.",
        "Оны ешкімге айтпаңыз. Егер сіз сұратпаған болсаңыз, ештеңе істеудің қажеті жоқ.",
    ),
    "uz": (
        "{code} - {brand} uchun kod", "{brand} uchun kodingiz:", "Amal qilish muddati: {minutes}.",
        "Uni hech kimga aytmang. Agar siz so'ramagan bo'lsangiz, hech narsa qilish shart emas.",
    ),
    "be": (
        "{code} — код для {brand}", "Ваш код для {brand}:", "Дзейнічае {minutes}.",
        "Нікому яго не паведамляйце. Калі вы яго не запытвалі, нічога рабіць не трэба.",
    ),
    "uk": (
        "{code} — код для {brand}", "Ваш код для {brand}:", "Діє {minutes}.",
        "Нікому його не повідомляйте. Якщо ви його не запитували, нічого робити не потрібно.",
    ),
    "ky": (
        "{code} — {brand} коду", "{brand} үчүн кодуңуз:", "Жарактуулук мөөнөтү: {minutes}.",
        "Аны эч кимге айтпаңыз. Эгер сиз сурабасаңыз, эч нерсе кылуунун кереги жок.",
    ),
    "hy": (
        "{code} — Ձեր {brand} կոդը", "Ձեր կոդը {brand}-ի համար՝", "Գործում է {minutes}։",
        "Ոչ մեկին մի ասեք այն։ Եթե դուք այն չեք խնդրել, ոչինչ անել պետք չէ։",
    ),
    "az": (
        "{code} - {brand} kodunuz", "{brand} üçün kodunuz:", "Etibarlılıq müddəti: {minutes}.",
        "Onu heç kimə verməyin. Siz istəməmisinizsə, heç nə etmək lazım deyil.",
    ),
    "tr": (
        "{code} - {brand} kodunuz", "{brand} için kodunuz:", "Geçerlilik süresi: {minutes}.",
        "Kimseyle paylaşmayın. Siz istemediyseniz bir şey yapmanıza gerek yok.",
    ),
    "de": (
        "{code} ist Ihr Code für {brand}", "Ihr Code für {brand}:", "Gültigkeit: {minutes}.",
        "Geben Sie ihn nicht weiter. Wenn Sie ihn nicht angefordert haben, müssen Sie nichts tun.",
    ),
    "fr": (
        "{code} est votre code {brand}", "Votre code pour {brand} :", "Durée de validité : {minutes}.",
        "Ne le communiquez à personne. Si vous ne l'avez pas demandé, vous n'avez rien à faire.",
    ),
    "es": (
        "{code} es tu código de {brand}", "Tu código para {brand}:", "Validez: {minutes}.",
        "No lo compartas con nadie. Si no lo has pedido, no tienes que hacer nada.",
    ),
    "pt": (
        "{code} é o seu código {brand}", "Seu código para {brand}:", "Validade: {minutes}.",
        "Não o compartilhe com ninguém. Se você não o pediu, não precisa fazer nada.",
    ),
    "it": (
        "{code} è il tuo codice {brand}", "Il tuo codice per {brand}:", "Validità: {minutes}.",
        "Non condividerlo con nessuno. Se non l'hai chiesto tu, non devi fare nulla.",
    ),
    "pl": (
        "{code} to kod {brand}", "Twój kod do {brand}:", "Ważność: {minutes}.",
        "Nie podawaj go nikomu. Jeśli to nie Ty o niego prosisz, nie musisz nic robić.",
    ),
}  # fmt: skip
"""Locale → subject, what stands before the code, its life, a warning."""


def _shipped(locale: str) -> MailTemplate:
    subject, lead, life, warning = _WORDS[locale]
    page = _HTML
    for name, words in (("lang", locale), ("lead", lead), ("life", life), ("warning", warning)):
        page = page.replace(f"{{{name}}}", words)
    return MailTemplate(subject, f"{lead}\n\n{{code}}\n\n{life}\n{warning}\n", page)


SHIPPED: Mapping[str, MailTemplate] = {locale: _shipped(locale) for locale in _WORDS}


def written(template: MailTemplate, locale: str, code: str, brand: str, whole_minutes: int) -> tuple[Mail, str]:
    """The mail, and its plain text. What is put in is never looked at for placeholders, and is escaped in the HTML."""
    values = {
        "code": code,
        "brand": brand,
        "minutes": minutes(whole_minutes, locale),
        "spelled": " ".join(code),
    }

    def filled(text: str) -> str:
        return _PLACEHOLDER.sub(lambda found: values[found[1]], text)

    page = _PLACEHOLDER.sub(lambda found: html.escape(values[found[1]]), template.html)
    return Mail(filled(template.subject), page, brand), filled(template.text)


def of_text(text: str, brand: str) -> Mail:
    """A mail that says what its caller wrote, in which nobody knows the code."""
    paragraphs = "".join(f"<p>{html.escape(each)}</p>" for each in text.splitlines() if each.strip())
    page = f'<!doctype html><html><head><meta charset="utf-8"><title>{html.escape(brand)}</title></head>'
    return Mail(brand, f"{page}<body>{paragraphs}</body></html>\n", brand)


def fault(template: MailTemplate) -> str:
    """Why it cannot be used, as `subject: …`; '' if it can."""
    for name, text in (("text", template.text), ("html", template.html)):
        if "{code}" not in text:
            return f"{name}: needs {{code}}"
    if "\n" in template.subject or not template.subject.strip():
        return "subject: must be one line"
    for name, text in (("subject", template.subject), ("text", template.text), ("html", template.html)):
        if not text.replace("\n", "").replace("\t", "").isprintable():
            return f"{name}: holds a control character"
    return ""
