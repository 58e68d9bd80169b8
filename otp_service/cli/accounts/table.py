"""Every command for an account: a new one is a function and an entry here; docs/cli.md describes each."""

from __future__ import annotations

from argparse import BooleanOptionalAction

from otp_service.cli.accounts.command import Command, argument, clock, day, decimal_digits, moment, positive, whole

PHONES = argument("phone", nargs="+", help="with country code, for example +79161234567")
PHONE = argument("phone", help="with country code, for example +79161234567")
IDS = argument("id", nargs="+", help="as the gateway gave it")
ID = argument("id", help="as the list shows it")
BASE = argument("base", help="id of a base, as `bases list` shows it")
PAGE = argument("--page", type=positive, help="this one alone, from 1; all pages if not given")
TEXT = argument("--text", required=True, help="what the phone shows")
SENDER = argument("--sender", default="", help="instead of the sender of the settings")
CLIENT_ID = argument("--client-id", type=decimal_digits, help="digits; with the same nothing is sent again")
BASE_FIELDS = (
    argument("--greeting-text", help="sent on birthdays"),
    argument("--greeting-time", type=clock, help="hh:mm"),
    argument("--greeting-sender"),
    argument("--greeting-on", action=BooleanOptionalAction, help="whether greetings are sent"),
    argument("--local-time", action=BooleanOptionalAction, help="the time is the subscriber's, not the system's"),
    argument("--days-before", type=whole, help="greet so many days before the birthday"),
)
SUBSCRIBER_FIELDS = (
    *(argument(f"--{name}", default="") for name in ("name", "surname", "patronymic", "region", "operator")),
    argument("--born", type=day, help="YYYY-MM-DD"),
    argument("--gender", choices=("m", "f")),
    argument("--addition", action="append", default=[], help="a free field; up to five times"),
)
OPERATORS = ("mts", "mega", "tele2")
FINAL_STATES = ("not_deliver", "expired", "deliver", "partly_deliver")

STATE = "id status changed_at parts price"
DONE = "id done"
PHONE_DONE = "phone done"
ENTERED = "sender operator done error"
SENT = "phone status id parts reason explanation"
TEXTS = argument("--text", required=True, action="append", help="what the phone shows; each is a message of its own")

TARGETSMS = (
    Command("balance", "money, and for how many SMS it lasts", "reading.balance", "money currency sms"),
    Command("senders", "the names that may be used as sender", "reading.senders", "any_sender senders"),
    Command("state", "what became of messages", "reading.message_states", STATE, (IDS,)),
    Command("time", "the account's clock", "reading.clock", "time_zone time ahead_seconds"),
    Command("number-info", "operator and region of phones", "reading.about_numbers",
            "phone operator region hours", (PHONES,)),
    Command("incoming", "SMS that people wrote to the account", "reading.received",
            "id received_at phone to prefix text", (
                argument("--since", type=moment, help="a day ago if not given; in the account's time"),
                argument("--until", type=moment, help="now if not given"),
            )),
    Command("stop-list list", "phones that this account never writes to", "lists.stop_list", "phone"),
    Command("stop-list add", "never write to phones", "lists.add_stops", PHONE_DONE, (PHONES,),
            "Put {phone} on the stop list?"),
    Command("stop-list remove", "write to phones again", "lists.remove_stops", PHONE_DONE, (PHONES,),
            "Take {phone} off the stop list?"),
    Command("scheduled list", "messages that have not gone out yet", "lists.scheduled_messages",
            "id send_at valid_until queued_at phone sender type text parts name_delivery", (PAGE,)),
    Command("scheduled delete", "take messages back before they go out", "lists.delete_scheduled", DONE, (IDS,),
            "Delete the scheduled messages {id}?"),
    Command("changes", "when a base or the stop list last changed", "reading.last_change", "thing id changed_at",
            (argument("--base", default="", help="id of a base; without it the stop list"),)),
    Command("templates list", "texts kept at the gateway", "lists.all_templates", "id name text"),
    Command("templates add", "keep a text", "lists.add_template", DONE,
            (argument("--name", required=True), TEXT), "Add the template {name}?"),
    Command("templates edit", "change what is given of a text", "lists.edit_template", DONE,
            (ID, argument("--name"), argument("--text")), "Change the template {id}?"),
    Command("templates delete", "forget texts", "lists.delete_templates", DONE, (IDS,), "Delete the templates {id}?"),
    Command("bases list", "bases of contacts", "lists.all_bases",
            "id name greeting_on greeting_time local_time days_before greeting_sender greeting_text"),
    Command("bases add", "make a base", "lists.add_base", DONE,
            (argument("--name", required=True), *BASE_FIELDS), "Add the base {name}?"),
    Command("bases edit", "change what is given of a base", "lists.edit_base", DONE,
            (ID, argument("--name"), *BASE_FIELDS), "Change the base {id}?"),
    Command("bases delete", "delete bases with their contacts", "lists.delete_bases", DONE, (IDS,),
            "Delete the bases {id} with all their contacts?"),
    Command("subscribers list", "contacts of a base", "lists.all_subscribers",
            "phone surname name patronymic born gender region operator additions changed_at",
            (BASE, PAGE, argument("--since", type=moment, help="only those changed since then"))),
    Command("subscribers edit", "add a contact, or change what is given of it", "lists.edit_subscriber",
            PHONE_DONE, (BASE, PHONE, *SUBSCRIBER_FIELDS), "Write {phone} into the base {base}?"),
    Command("subscribers import", "add contacts, or change what is given of them", "lists.import_subscribers",
            PHONE_DONE, (BASE, argument("file", help="JSON as `subscribers list --json` prints it; - for stdin")),
            "Write the contacts of {file} into the base {base}?"),
    Command("subscribers delete", "take contacts out of a base", "lists.delete_subscribers", PHONE_DONE,
            (BASE, PHONES), "Delete {phone} from the base {base}?"),
    Command("registry list", "sender names registered with operators", "lists.whole_registry",
            "sender operator approval approval_text since legal_entity inn comment", (
                argument("--operator", choices=OPERATORS), argument("--sender", default=""),
                argument("--inn", default="", help="taxpayer number"),
            )),
    Command("registry add", "register a sender name with an operator", "lists.add_registered", ENTERED, (
                argument("sender"), argument("--operator", choices=OPERATORS, required=True),
                argument("--legal-entity", required=True), argument("--inn", required=True, help="taxpayer number"),
                argument("--comment", default=""),
            ), "Register {sender} with {operator}?"),
    Command("registry delete", "take a sender name out of the registry", "lists.delete_registered", ENTERED,
            (argument("sender"), argument("--operator", choices=OPERATORS, help="all operators if not given")),
            "Delete {sender} from the registry?"),
    Command("stats", "SMS of the last three months, one row for each part", "reading.stats",
            "id state_id part parts sent_at status changed_at phone operator sender price name_delivery text", (
                argument("--from", type=day, help="first day; today if not given"),
                argument("--to", type=day, help="last day; today if not given"),
                argument("--since", type=clock, help="time of day, hh:mm"),
                argument("--until", type=clock, help="time of day, hh:mm"),
                argument("--state", choices=FINAL_STATES),
                argument("--sender", default=""),
                argument("--phone", default=""),
                argument("--operator", default="", help="Beeline, Мегафон, МТС"),
            )),
    Command("callback get", "where states are pushed to, without its secret", "reading.callback_address",
            "address ours"),
    Command("callback set", "have states pushed to this service, or to another address",
            "reading.set_callback_address", "address ours",
            (argument("--url", default="", help="instead of public_url and the first callback_token"),),
            "Change the address that states are pushed to?"),
    Command("send", "send SMS; costs money", "sending.send", f"message {SENT}", (
                PHONES, TEXTS, SENDER, CLIENT_ID,
                argument("--at", type=moment, help="when; now if not given. In the account's time"),
                argument("--valid-until", type=moment, help="no delivery is tried after it"),
                argument("--translite", action="store_true", help="Cyrillic goes out in Latin letters"),
                argument("--name-delivery", default="", help="heading in the provider's reports"),
            ), "Send SMS to {phone}? It costs money."),
    Command("get-balance", "balance, by the GET interface", "reading.get_balance", "money currency sms",
            interface="get"),
    Command("get-state", "what became of messages, by the GET interface; one id once a minute", "reading.get_states",
            STATE, (IDS, argument("--plain", action="store_true", help="the state alone, without parts and price")),
            interface="get"),
    Command("get-send", "send SMS by the GET interface; costs money", "sending.get_send", SENT,
            (PHONES, TEXT, SENDER), "Send SMS to {phone}? It costs money.", "get"),
    Command("viber-state", "what became of messages, by the JSON interface", "reading.viber_states",
            "id status changed_at viber sms sms_parts viber_price sms_price", (IDS,), interface="json"),
    Command("viber-send", "send by Viber, by SMS, or by one and then the other; costs money", "sending.viber_send",
            f"{SENT} viber_id sms_id", (
                PHONES, TEXT, SENDER, CLIENT_ID,
                argument("--channels", choices=("viber", "viber-sms", "sms-viber", "sms"), help=
                         "the second where the first fails; viber, or viber-sms with --sms-text, if not given"),
                argument("--sms-text", default="", help="sent by SMS in place of --text"),
                argument("--sms-sender", default="", help="of that SMS, instead of the sender of the settings"),
                argument("--at", type=moment, help="when; now if not given. In the account's time"),
                argument("--button-text", default=""), argument("--button-url", default=""),
                argument("--image-url", default=""),
                argument("--validity-minutes", type=positive, default=60, help="after it Viber has failed"),
                argument("--read-is-final", action="store_true", help="not read by then is a failure, too"),
                argument("--name-delivery", default="", help="heading in the provider's reports"),
            ), "Send messages to {phone}? It costs money.", "json"),
)  # fmt: skip

SMSKA = (
    Command("balance", "how many SMS parts are left", "reading.smska_balance", "sms_parts", interface="smska"),
    Command("status", "what became of messages", "reading.smska_states", "id status provider_code", (IDS,),
            interface="smska"),
    Command("send", "send SMS; costs money", "sending.smska_send", SENT, (PHONES, TEXT, SENDER),
            "Send SMS to {phone}? It costs money.", "smska"),
)  # fmt: skip
