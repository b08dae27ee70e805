#!/usr/bin/env python3
"""zone_reference.py: what Python's zoneinfo says of the zones named as arguments, for tests/unit/zone_test.c to compare with.

    Z name
    I instant_ms offset_ms
    L local_ms first_ms last_ms instant_ms      (zone.h says what these are in gaps and overlaps)

Asked are two days of each year from 1900 to 2110, and of some years (of every year where TALLY_ZONE_YEARS is "all") the first of each month
and, around each change of the offset that these show: instants 1 ms, 1 h and 1 day away, and the wall clocks before, in and behind the
gap or overlap. All years take a minute.
"""
import os
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1)
MS, HOUR_MS, DAY_MS = timedelta(milliseconds=1), 3_600_000, 86_400_000
YEARS = range(1900, 2111)
CLOSELY = YEARS if os.environ.get("TALLY_ZONE_YEARS") == "all" else (1900, 1918, 1945, 1969, 1970, 2011, 2024, 2025, 2038, 2106)


def offset_ms(zone, instant_ms):
    moment = (EPOCH + instant_ms * MS).replace(tzinfo=timezone.utc)
    return moment.astimezone(zone).utcoffset() // MS


def change_ms(zone, low_ms, high_ms):
    """The first instant behind low that has the offset of high; between the two the offset changes once."""
    wanted = offset_ms(zone, high_ms)
    while high_ms - low_ms > 1:
        middle_ms = (low_ms + high_ms) // 2
        if offset_ms(zone, middle_ms) == wanted:
            high_ms = middle_ms
        else:
            low_ms = middle_ms
    return high_ms


def wall(zone, local_ms):
    clock = EPOCH + local_ms * MS
    earlier, later = (local_ms - clock.replace(tzinfo=zone, fold=fold).utcoffset() // MS for fold in (0, 1))
    if earlier <= later:
        return earlier, later, earlier
    gap_ms = change_ms(zone, later - 1, earlier)  # in a gap the two are the other way round, with the change between them
    return gap_ms, gap_ms, earlier


def months(year):
    return [(datetime(year + m // 12, m % 12 + 1, 1) - EPOCH) // MS for m in range(0, 13, 1 if year in CLOSELY else 6)]


def ask(zone, year, out):
    before_ms, before = None, None
    for month_ms in months(year):
        after = offset_ms(zone, month_ms)
        out.append(f"I {month_ms} {after}")
        if year in CLOSELY and before is not None and after != before:
            change = change_ms(zone, before_ms, month_ms)
            for away in (1, HOUR_MS, DAY_MS):
                for instant in (change - away, change + away - 1, change + away):
                    out.append(f"I {instant} {offset_ms(zone, instant)}")
            low, high = change + min(before, after), change + max(before, after)
            for local in (low - HOUR_MS, low - 1, low, low + 1, (low + high) // 2, high - 1, high, high + 1, high + HOUR_MS):
                out.append("L %d %d %d %d" % (local, *wall(zone, local)))
        before_ms, before = month_ms, after


def main():
    for name in sys.argv[1:]:
        zone, out = ZoneInfo(name), [f"Z {name}"]
        for year in YEARS:
            ask(zone, year, out)
        print("\n".join(out))


main()
