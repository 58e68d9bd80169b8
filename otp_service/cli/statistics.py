"""`otp-service statistics`: codes sent, delivered and entered, by hours or days, as `GET /v1/statistics` tells it."""

from __future__ import annotations

import argparse
import os

import msgspec

from otp_service.cli.development import load_for_operator
from otp_service.cli.operator import application_in
from otp_service.cli.printer import say, say_table
from otp_service.domain import money
from otp_service.domain.statistics import DIMENSIONS, Row
from otp_service.schemas.statistics import statistics_view
from otp_service.settings.prices import PriceList
from otp_service.statistics.reading import moment, read
from otp_service.storage.connection import open_database
from otp_service.storage.preflight import wait_until_there
from otp_service.storage.statistics import StatisticsStore

COLUMNS = (
    "started",
    "sends",
    "delivered",
    "failed",
    "approved",
    "refused",
    "roubles",
    "s to delivery",
    "s to approval",
)


async def main(arguments: argparse.Namespace) -> int:
    settings = load_for_operator(os.environ)
    application_in(settings, arguments.application)
    by = [word for word in arguments.by.split(",") if word]
    prices = PriceList(settings)
    async with open_database(settings.redis) as database:
        await wait_until_there(database)
        rows = await read(
            StatisticsStore(database, settings.statistics, prices.of_part, prices.owes),
            arguments.application,
            start=moment("from", arguments.start),
            end=moment("to", arguments.end),
            step=arguments.step,
            by=by,
        )
    if arguments.json:
        say(msgspec.json.encode(statistics_view(arguments.step, by, rows)).decode())
        return 0
    shown = [name for name in DIMENSIONS if name in by]
    say_table([("UTC", *shown, *COLUMNS), *(_cells(row, shown, arguments.step) for row in rows)])
    return 0


def _cells(row: Row, shown: list[str], step: str) -> tuple[str, ...]:
    return (
        f"{row.at:%Y-%m-%d %H:00}" if step == "hour" else f"{row.at:%Y-%m-%d}",
        *(getattr(row.group, name) or "-" for name in shown),
        *(str(row[name]) for name in COLUMNS[:5]),
        str(row.refused),
        money.roubles(row["micro_roubles"]),
        *(
            "-" if (half := found.percentile(0.5)) is None else f"{half:g}"
            for found in (row.to_delivery, row.to_approval)
        ),
    )
