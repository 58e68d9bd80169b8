"""Statistics that last: how many codes went out, arrived and were entered, hour by hour and day by day."""
