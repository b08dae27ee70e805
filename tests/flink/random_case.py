"""random_case.py: random views over random streams, the same for the same seed.

Made so that Flink can run them and that no published deviation shows: FIRST_VALUE, LAST_VALUE and LISTAGG only over TUMBLE and events in order
of time, no DISTINCT of SUM and AVG over HOP, no sums that wrap, no sessions across a change of the clocks. Values of DOUBLE are multiples of 1/64, whose
sums are exact in any order."""

import datetime
import json
import random
import zoneinfo

VIEWS = 16  # of one stream: all of them are one job in Flink and one pass in tally

TABLE = """CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time {kind},
    WATERMARK FOR event_time AS event_time - INTERVAL '{delay}' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
"""

CONDITIONS = ["status > 300", "status IS NULL", "NOT status > 200", "seconds < 0", "url LIKE '/p%'", "host = 'a' OR host IS NULL",
              "amount BETWEEN -50 AND 50", "status IN (200, 404) AND seconds > -1"]
HAVINGS = ["COUNT(*) > 1", "SUM(amount) > 0", "COUNT(DISTINCT url) < 3 OR MAX(status) > 400", "MIN(seconds) < 0 AND COUNT(*) < 9"]

# Over every window.
AGGREGATES = ["COUNT(*)", "COUNT(status)", "COUNT(DISTINCT url)", "COUNT(DISTINCT status)", "COUNT(DISTINCT seconds)", "SUM(status)", "SUM(amount)",
              "SUM(seconds)", "MIN(status)", "MAX(status)", "MIN(url)", "MAX(url)", "MIN(seconds)", "MAX(amount)", "MIN(event_time)", "MAX(event_time)",
              "AVG(status)", "AVG(amount)", "AVG(seconds)", "STDDEV_POP(seconds)", "STDDEV_SAMP(seconds)",
              "VAR_POP(seconds)", "VAR_SAMP(seconds)", "PERCENTILE(seconds, 0.5)", "PERCENTILE(status, 0.9)", "PERCENTILE(amount, 0.25)"]
NOT_OVER_HOP = ["AVG(DISTINCT status)", "SUM(DISTINCT status)", "SUM(DISTINCT seconds)"]
IN_ORDER = ["FIRST_VALUE(url)", "LAST_VALUE(url)", "FIRST_VALUE(seconds)", "LAST_VALUE(status)", "LISTAGG(url)", "LISTAGG(url, '|')",
            "LISTAGG(DISTINCT url, '+')"]
KEYS = [[], [], ["host"], ["host"], ["host", "ip"], ["status"], ["UPPER(host)"]]
DIVISORS = [1, 2, 3, 4, 6, 12]
GAPS = [1, 4, 11]
HOUR, MILLISECOND = datetime.timedelta(hours=1), datetime.timedelta(milliseconds=1)
EPOCH = datetime.datetime(1970, 1, 1)


def streams(pairs, seed):
    """Yields (name, views, events) until there are so many pairs of a view and a stream."""
    for number in range((pairs + VIEWS - 1) // VIEWS):
        yield Stream(random.Random(f"{seed} {number}"), f"random_{seed}_{number}", min(VIEWS, pairs - number * VIEWS)).made()


def interval(seconds):
    digits = len(str(abs(seconds)))
    return f"INTERVAL '{seconds}' SECOND" + (f"({digits})" if digits > 2 else "")


def fires(end, zone):
    """The watermark at which a window fires that ends then on the wall clock: of an hour that is shown twice, in the second showing; of one that is
    never shown, with the jump (TimeWindowUtil.toEpochMillsForTimer)."""
    one, other = ((end - MILLISECOND + later).replace(tzinfo=zone).astimezone(datetime.timezone.utc) for later in (datetime.timedelta(), HOUR))
    if other - one > HOUR:
        return other - HOUR
    return one.replace(minute=0, second=0, microsecond=0) if other == one else one


class Stream:
    def __init__(self, chance, name, views):
        self.chance, self.name, self.views = chance, name, views
        self.in_order = chance.random() < 0.35
        self.zone, starts = chance.choice([("UTC", ["1969-12-31T23:30:00", "2024-02-28T22:00:00"])] * 3 + [
            ("America/Los_Angeles", ["2021-03-14T06:00:00", "2021-11-07T05:00:00"]), ("Europe/Berlin", ["2024-03-30T20:00:00", "2024-10-26T21:00:00"])])
        self.start = datetime.datetime.fromisoformat(chance.choice(starts))
        self.kind = "TIMESTAMP(3)" if self.zone == "UTC" and chance.random() < 0.3 else "TIMESTAMP_LTZ(3)"
        self.unit = chance.choice([1, 10, 60] if self.zone == "UTC" else [300, 900])  # seconds: windows are so many, and events about so far apart
        self.delay = chance.choice([0, 1, 5, 30, 90])

        self.windows = {}  # view -> how far its slices lie apart, their offset, and how long its windows are, in seconds

    def made(self):
        settings = f"SET 'table.local-time-zone' = '{self.zone}';\n"
        views = "".join(self.view(f"v{i:02}") if self.chance.random() < 0.9 else self.cascade(f"v{i:02}") for i in range(self.views))
        events = list(self.events())
        return (self.name, settings + "".join(self.not_compared(events)) + TABLE.format(kind=self.kind, delay=self.delay) + views,
                "\n".join(events) + "\n")

    # --- events ---

    def events(self):
        clock_ms = 0
        pace_ms = self.chance.choice([200, 1000, 3000]) * self.unit
        for _ in range(self.chance.randint(60, 240)):
            clock_ms += self.chance.choice([0, 1, self.chance.randint(0, pace_ms), pace_ms, 1000 * self.unit])
            if self.chance.random() < 0.03:
                clock_ms += 20000 * self.unit  # a quiet time, in which sessions end
            if self.in_order or self.chance.random() < 0.8:
                yield self.event(clock_ms if self.in_order else max(0, clock_ms - self.lateness_ms()))
            else:
                clock_ms = yield from self.edge(clock_ms)

    def edge(self, clock_ms):
        """The watermark comes to where a millisecond decides: the end of a window, or of the session of an event before. Then late events."""
        if self.chance.random() < 0.5:
            size_ms = self.chance.choice([1, 4, 12]) * self.unit * 1000
            start_ms = round(self.start.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000)
            end_ms = (start_ms + clock_ms) // size_ms * size_ms + size_ms - start_ms
        else:
            yield self.event(clock_ms)
            end_ms = clock_ms + self.chance.choice(GAPS) * self.unit * 1000
        delay_ms = 1000 * self.delay
        yield self.event(end_ms - 1 + delay_ms + self.chance.choice([-1, 0, 0, 1]))
        for _ in range(self.chance.randint(1, 4)):
            yield self.event(max(0, end_ms + self.chance.choice([-1, 0, -1000 * self.unit, -self.chance.randint(0, 12000 * self.unit)])))
        return end_ms + delay_ms

    def lateness_ms(self):
        return self.chance.choice([0, 0, 0, 1, self.chance.randint(0, 1000 * self.delay), 1000 * self.delay,
                                   self.chance.randint(0, 1000 * (self.delay + 15 * self.unit)), self.chance.randint(0, 60000 * self.unit)])

    def event(self, offset_ms):
        time = self.start + datetime.timedelta(milliseconds=offset_ms)
        some = self.chance.choice
        event = {"host": some(["a", "b", "c", "é", "", None]), "ip": some(["10.0.0.1", "10.0.0.2", None]),
                 "url": some(["/", "/page", "/p", "/x'y", "😀", None]), "status": some([200, 200, 304, 404, 500, -1, 0, None]),
                 "amount": some([None, self.chance.randint(-99, 99), self.chance.randint(-2**40, 2**40)]),
                 "seconds": some([None, 0.0, self.chance.randint(-640, 6400) / 64])}
        return json.dumps({key: value for key, value in event.items() if value is not None or self.chance.random() < 0.5} |
                          {"event_time": time.isoformat(timespec="milliseconds") + ("" if self.kind == "TIMESTAMP(3)" else "Z")})

    # --- what differs on nights that change the clock (common/sql/FLINK.md) ---

    def not_compared(self, events):
        """The comments that tell which windows differ."""
        if self.zone == "UTC":
            return
        times = [datetime.datetime.fromisoformat(json.loads(line)["event_time"]) for line in events]
        for view, (part, offset, size) in self.windows.items():
            outer = view.removesuffix("_inner")
            for end in self.lost_slices(times, part, offset):
                start = end - datetime.timedelta(seconds=part)
                yield f"-- not compared: stream {view} {start} to {end}\n"
                if outer != view:
                    yield f"-- not compared: stream {outer} {start} to {end + datetime.timedelta(seconds=size)}\n"
            for jump, end in self.jumped_ends(part, offset) if outer != view else []:
                for mode in ("stream", "record"):
                    yield f"-- not compared: {mode} {outer} {jump} to {end + HOUR}\n"

    def jumped_ends(self, part, offset):
        """The ends of windows that the clock jumps over, with where it jumps to. The time of such a window is the jump; in Flink, an hour behind what
        is never shown."""
        zone, span = zoneinfo.ZoneInfo(self.zone), datetime.timedelta(seconds=part)
        hours = [(self.start.replace(tzinfo=datetime.timezone.utc) + i * HOUR).astimezone(zone).replace(tzinfo=None, minute=0) for i in range(24)]
        for before, jump in zip(hours, hours[1:]):
            end = jump - (jump - EPOCH - datetime.timedelta(seconds=offset)) % span
            while end > before + HOUR and jump - before > HOUR:
                yield jump, end
                end -= span

    def lost_slices(self, times, part, offset):
        """The ends of the slices whose windows fire while Flink's operator waits for a later one: it has not handed over the slice's rows by then,
        and drops them (TimeWindowUtil.getNextTriggerWatermarkWithOffset: after the first showing of an hour, or a window's length behind a jump)."""
        zone, span = zoneinfo.ZoneInfo(self.zone), datetime.timedelta(seconds=part)
        grid = EPOCH + datetime.timedelta(seconds=offset)
        last = trigger = datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)
        waiting = []
        for time in times:
            watermark = time - datetime.timedelta(seconds=self.delay)
            if watermark <= last:
                continue
            last = watermark
            if watermark < trigger:
                yield from (end for end in waiting if fires(end, zone) <= watermark)
                waiting = [end for end in waiting if fires(end, zone) > watermark]
                continue
            wall = watermark.astimezone(zone).replace(tzinfo=None)
            behind = wall - (wall - grid) % span + span
            trigger = fires(behind, zone)
            if trigger <= watermark:
                trigger += span
            end, waiting = behind - HOUR // span * span - span, []
            while end <= behind + HOUR + span:
                if watermark < fires(end, zone) < trigger:
                    waiting.append(end)
                end += span

    # --- views ---

    def window(self, view, table, time, keys, kinds):
        """(kind, the call)"""
        kind = self.chance.choice(kinds)
        size = self.chance.choice([12, 24, 60]) * self.unit
        part = size // self.chance.choice(DIVISORS)
        moved = self.chance.randint(1 - part, part - 1)
        offset = self.chance.choice([None, None, moved])
        if kind == "SESSION":
            partition = f" PARTITION BY {keys[0]}" if len(keys) == 1 else f" PARTITION BY ({', '.join(keys)})" if keys else ""
            return kind, f"SESSION(TABLE {table}{partition}, DESCRIPTOR({time}), {interval(self.chance.choice(GAPS) * self.unit)})"
        self.windows[view] = (size if kind == "TUMBLE" else part, offset or 0, size)
        sizes = interval(size) if kind == "TUMBLE" else f"{interval(part)}, {interval(size)}"
        return kind, f"{kind}(TABLE {table}, DESCRIPTOR({time}), {sizes}{'' if offset is None else f', {interval(offset)}'})"

    def aggregates(self, kind):
        known = AGGREGATES + (NOT_OVER_HOP if kind != "HOP" else []) + (IN_ORDER if kind == "TUMBLE" and self.in_order else [])
        chosen = ["COUNT(*)"] + [self.chance.choice(known) for _ in range(self.chance.randint(1, 5))]
        return [call + (f" FILTER (WHERE {self.chance.choice(CONDITIONS)})" if self.chance.random() < 0.25 else "") for call in chosen]

    def view(self, name):
        keys = self.chance.choice(KEYS)
        plain = all("(" not in key for key in keys)  # PARTITION BY takes columns alone
        kind, window = self.window(name, "events", "event_time", keys,
                                   ["TUMBLE", "HOP", "CUMULATE"] + (["SESSION"] * 2 if plain and self.zone == "UTC" else []))
        items = [f"{key} AS k{i}" for i, key in enumerate(keys)] + [f"{call} AS a{i}" for i, call in enumerate(self.aggregates(kind))]
        condition = self.chance.choice(CONDITIONS) if self.chance.random() < 0.2 else None
        if kind == "SESSION" and keys == ["status"] and condition == "status IS NULL":
            condition = None  # Flink replaces the key by NULL, and then finds no PARTITION BY
        where = f"\n    WHERE {condition}" if condition else ""
        having = f"\n    HAVING {self.chance.choice(HAVINGS)}" if self.chance.random() < 0.2 else ""
        time = ["window_time"] if self.chance.random() < 0.3 else []
        return (f"CREATE VIEW {name} AS\n    SELECT {', '.join(['window_start', 'window_end', *time, *items])}\n    FROM TABLE({window}){where}\n"
                f"    GROUP BY {', '.join(['window_start', 'window_end', *time, *keys])}{having};\n")

    def cascade(self, name):
        """A window over a windowed view."""
        kind, inner = self.window(f"{name}_inner", "events", "event_time", ["host"], ["TUMBLE", "HOP"] + (["SESSION"] if self.zone == "UTC" else []))
        outer = self.window(name, f"{name}_inner", "part_time", ["host"], ["TUMBLE", "HOP", "CUMULATE"])[1]
        return (f"CREATE VIEW {name}_inner AS\n    SELECT window_start AS part_start, window_end AS part_end, window_time AS part_time, host, "
                f"COUNT(*) AS hits, {self.aggregates(kind)[-1]} AS other\n    FROM TABLE({inner})\n    GROUP BY window_start, window_end, window_time, host;\n"
                f"CREATE VIEW {name} AS\n    SELECT window_start, window_end, host, SUM(hits) AS hits, COUNT(*) AS parts, COUNT(other) AS others\n"
                f"    FROM TABLE({outer})\n    GROUP BY window_start, window_end, host;\n")
