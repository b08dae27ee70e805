#!/usr/bin/env python3
"""layers.py: the views of the proof against Flink in random histories: speed and batch give equal rows, whatever way they came to them.

layers.py --tally PROGRAM --work FOLDER [--random STREAMS] [--seed SEED] [CASE...]

Each case of tests/flink/cases, and each of STREAMS random streams with views beside it that Flink cannot run, is played twice:

  in time  nothing is late: speed, batch and their merge must give the rows of one batch over all, and no merged row is final before it is right
  late     events come too late for speed: batch and the merge must give these rows in the end, and reconcile must explain every difference

A history is drawn from its name and the seed: how many partitions and which event goes where, in how many steps the events come, with how many
workers speed counts a step, which views it knows by then, where it is killed, and what batch publishes in between, from when to when.

Prints a line a history, and in the end "N passed, N failed" alone on a line. Exit status: 0 all rows agree, 1 some do not, 2 wrong usage."""

import argparse
import collections
import concurrent.futures
import datetime
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys

import random_case
from proof import Case, Failure, cases_read, is_closing, is_time, pattern_of, time_print, time_read

VIEWS = 8  # of a random stream
SHOWN_MAX = 3  # rows of a difference
NOTHING_YET = "there is no "  # store, or view, or none yet

# A delay that is long enough for every event of a case.
DELAY = re.compile(r"(WATERMARK FOR (\w+) AS \2)( - INTERVAL '\d+' \w+(\(\d+\))?)?$", re.M)


def views_of_ours(chance, unit, number):
    """Windows and aggregates that only tally has: by count, funnels, and a window over windows by count."""
    keys = chance.choice([[], ["host"], ["host", "ip"]])
    partition = f" PARTITION BY ({', '.join(keys)})" if keys else ""
    gap, timeout = (random_case.interval(chance.choice([1, 4, 11]) * unit) for _ in range(2))
    columns = ", ".join(["window_start", "window_end", *keys])
    having = chance.choice(["", "", "\n    HAVING COUNT(*) > 1", "\n    HAVING SUM(amount) > 0"])
    outer = chance.choice([f"TUMBLE(TABLE c{number}, DESCRIPTOR(part_time), {random_case.interval(12 * unit)})",
                           f"HOP(TABLE c{number}, DESCRIPTOR(part_time), {random_case.interval(4 * unit)}, {random_case.interval(12 * unit)})"])
    return f"""CREATE VIEW c{number} AS
    SELECT {', '.join(['window_start AS part_start', 'window_end AS part_end', 'window_time AS part_time', *keys])}, closed_by, COUNT(*) AS n,
        SUM(amount) AS a, LISTAGG(url) AS l, FIRST_VALUE(seconds) AS f
    FROM TABLE(COUNT_WINDOW(TABLE events{partition}, DESCRIPTOR(event_time), {chance.choice([1, 2, 3, 7])}, {timeout}))
    GROUP BY {columns}, closed_by, window_time{having};
CREATE VIEW s{number} AS
    SELECT {columns}, COUNT(*) AS n, WINDOW_FUNNEL({gap}, event_time, url = '/', url = '/page') AS f, APPROX_COUNT_DISTINCT(url) AS u
    FROM TABLE(SESSION(TABLE events{partition}, DESCRIPTOR(event_time), {gap}))
    GROUP BY {columns}{having};
CREATE VIEW d{number} AS
    SELECT window_start, window_end, SUM(n) AS n, COUNT(*) AS c FROM TABLE({outer}) GROUP BY window_start, window_end;
"""


def cases_made(streams, seed):
    random_case.VIEWS = VIEWS
    for number in range(streams):
        name = f"layers_{seed}_{number}"
        chance = random.Random(name)
        stream = random_case.Stream(chance, name, VIEWS)
        _, sql, events = stream.made()
        yield Case(name, sql + "".join(views_of_ours(chance, stream.unit, i) for i in range(2)), events)


def over_decades(case):
    """It is played late alone: in time, batch has to wait for the watermark, and does so for what is less than ten years old."""
    return case.last - case.first > datetime.timedelta(days=5 * 365)


def in_our_days(case):
    """A case whose events are long gone, with events of 2026: what is older than 'tally.batch-grace' is complete for batch without a watermark."""
    if case.first.year >= 2020 or over_decades(case):
        return case
    moved = datetime.timedelta(days=(datetime.date(2026, 1, 1) - datetime.date(1970, 1, 1)).days)

    def later(text):
        return f'"{time_print(time_read(text[1]) + moved, pattern_of(text[1]))}"' if is_time(text[1]) else text[0]

    return Case(case.name, case.sql, "\n".join(re.sub(r'"([^"]*)"', later, line) for line in case.events))


class Data:
    """A data folder of tally, and what is done with it."""

    def __init__(self, program, folder, views):
        self.program, self.folder, self.views, self.begins = program, folder, views, True

    def command(self, *args, views=None):
        return [self.program, *args, "--views", views or self.views, "--data", self.folder]

    def run(self, *args, allowed=(0,), views=None):
        done = subprocess.run(self.command(*args, views=views), text=True, capture_output=True, encoding="utf-8", check=False, timeout=120)
        if done.returncode not in allowed or (done.returncode in (2, 3) and NOTHING_YET not in done.stderr):
            raise Failure(f"tally {' '.join(args)}: exit {done.returncode}\n{(done.stderr + done.stdout).strip()[:600]}")
        return done.stdout

    def speed(self, chance, views):
        """`views`: another views file than the one that all commands have."""
        args = ("speed", "--once", "--workers", str(chance.randint(1, 3)), "--tick", "5ms")
        if chance.random() < 0.3:
            with subprocess.Popen(self.command(*args, views=views), text=True, stderr=subprocess.PIPE) as speed:
                try:
                    speed.wait(chance.random() * 0.06)
                except subprocess.TimeoutExpired:
                    speed.kill()
                said = speed.stderr.read()
            if speed.returncode not in (0, -9):
                raise Failure(f"tally {' '.join(args)}: exit {speed.returncode}\n{said.strip()[:600]}")
        else:
            self.run(*args, views=views)

    def rows(self, view, layer):
        """(rows, rows that are final), each as text; none before speed or batch has begun."""
        rows = json.loads(self.run("query", view, "--layer", layer, "--format", "json", allowed=(0, 2, 3) if self.begins else (0,)) or "[]")
        texts = [(json.dumps({name: value for name, value in row.items() if not name.startswith("_")}), row) for row in rows]
        return [text for text, _ in texts], [text for text, row in texts if row["_final"] is True]


class History:
    def __init__(self, program, folder, case, late, seed):
        self.case, self.late = case, late
        self.chance = random.Random(f"{seed} {case.name} {late}")
        self.folder = folder / f"{case.name}.{'late' if late else 'in_time'}"
        self.folder.mkdir(parents=True)
        self.partitions = self.chance.randint(1, 3)
        self.arrivals = [(self.chance.randrange(self.partitions), line) for line in case.events]
        self.times = sorted(time_read(value) for event in case.objects() for value in case.times_of(event).values())
        (self.folder / "views.sql").write_text(self.settings() + self.views(), encoding="utf-8")
        self.data, self.whole = (Data(program, self.folder / name, self.folder / "views.sql") for name in ("data", "whole"))
        self.imports = 0
        self.steps = []  # what has been done, for the reader of a failure

    def settings(self):
        """In time, batch takes nothing that is not complete by the watermark; late, it takes all that is there, and again what comes behind it."""
        lateness = self.chance.choice([0, 0, 1, 20, 600])
        return f"SET 'tally.batch-grace' = '{0 if self.late else 3650} d';\nSET 'tally.allowed-lateness' = '{lateness} s';\n"

    def views(self):
        if self.late:
            return self.case.sql
        disorder, latest = datetime.timedelta(), datetime.datetime.min
        for event in self.case.objects():
            for value in self.case.times_of(event).values():
                latest = max(latest, time_read(value))
                disorder = max(disorder, latest - time_read(value))
        delay = random_case.interval(int(disorder.total_seconds()) + 2)
        return DELAY.sub(rf"\1 - {delay}", self.case.sql)

    def take_in(self, data, first, last):
        """The events from `first` up to before `last`; behind all of them the closing event, in every partition. Import knows equal files again, so
        that each one begins with other spaces."""
        for partition in range(self.partitions):
            lines = [line for own, line in self.arrivals[first:last] if own == partition]
            lines += [self.case.closing_event()] if last == len(self.arrivals) else []
            if lines:
                self.imports += 1
                events = self.folder / "events"
                events.write_text("".join(" " * self.imports + line + "\n" for line in lines), encoding="utf-8")
                data.run("import", str(events), "--format", "jsonl", "--partitions", str(self.partitions), "--partition", str(partition))

    def some_views(self):
        """The views file of a step: now and then some views are not in it, and what reads them."""
        if self.chance.random() < 0.6:
            return None
        text = (self.folder / "views.sql").read_text(encoding="utf-8")
        away = {view for view in self.case.views if self.chance.random() < 0.3}
        for view, query in re.findall(r"^CREATE (?:TEMPORARY )?VIEW (\w+)([^;]*);", text, re.M):
            if away & set(re.findall(r"\w+", query)):
                away.add(view)
        some = self.folder / "some.sql"
        rest = re.sub(r"^CREATE (?:TEMPORARY )?VIEW (\w+)[^;]*;\n", lambda view: "" if view[1] in away else view[0], text, flags=re.M)
        some.write_text(rest, encoding="utf-8")
        self.steps.append(f"without {' '.join(sorted(away)) or 'none'}")
        return some if set(self.case.views) - away else None

    def batch_some(self):
        first, last = self.times[0], self.times[-1]
        end = self.chance.choice([self.chance.choice(self.times) + datetime.timedelta(milliseconds=self.chance.choice([-1, 0, 0, 1, 60000])),
                                  first + (last - first) * self.chance.random()])
        end = end.replace(microsecond=end.microsecond // 1000 * 1000)
        args = ["batch", "--to", time_print(end), "--jobs", str(self.chance.randint(1, 3))]
        if self.chance.random() < 0.3:
            args += ["--from", time_print(end - (last - first) * self.chance.random() / 4 - datetime.timedelta(seconds=1))]
        self.data.run(*args)
        self.steps.append(" ".join(args))

    def play(self):
        """Yields what is wrong."""
        self.take_in(self.whole, 0, len(self.arrivals))
        self.whole.run("archive")
        self.whole.run("batch", "--to", time_print(self.case.cut))
        self.whole.begins = False
        truth = {view: self.compared(self.whole, view, "batch")[0] for view in self.case.views}
        count = len(self.arrivals)
        bounds = sorted({0, count, *(self.chance.randrange(count) for _ in range(self.chance.randint(1, 5)))})
        for first, last in zip(bounds, bounds[1:]):
            self.take_in(self.data, first, last)
            self.steps.append(f"events to {last}")
            if self.chance.random() < 0.75:
                self.data.speed(self.chance, self.some_views())
            if self.chance.random() < 0.8:
                self.data.run("archive")
                for _ in range(self.chance.randint(0, 3)):
                    self.batch_some()
            if not self.late:
                for view, rows in truth.items():
                    wrong = self.compared(self.data, view, "merged")[1] - rows
                    if wrong:
                        yield self.told(f"{view} is final too early after {last} events", wrong, rows)
        self.data.run("speed", "--once", "--workers", str(self.chance.randint(1, 3)))
        self.data.run("archive")
        self.data.begins = False
        if not self.late:
            yield from self.differences(truth, "speed", "merged")
        self.data.run("batch", "--to", time_print(self.case.cut), "--jobs", str(self.chance.randint(1, 3)))
        yield from self.differences(truth, "batch", "merged")
        report = self.data.run("reconcile", allowed=(0, 1))
        if " unexplained" in report and " 0 unexplained" not in report:
            yield f"reconcile\n{report[:1000]}"
        self.data.run("status")

    def compared(self, data, view, layer):
        """Rows of before the closing event: all, and those that are final."""
        return [collections.Counter(text for text in rows if not is_closing(self.case, json.loads(text).values())) for rows in data.rows(view, layer)]

    def differences(self, truth, *layers):
        for layer in layers:
            for view, rows in truth.items():
                mine = self.compared(self.data, view, layer)[0]
                if mine != rows:
                    yield self.told(f"{view} ({layer})", mine, rows)

    @staticmethod
    def told(what, mine, truth):
        lines = [f"  {name}: {row}" for name, some in (("too much", mine - truth), ("missing", truth - mine))
                 for row in list(some.elements())[:SHOWN_MAX]]
        return "\n".join([what, *lines])


def played(program, work, seed, case, late):
    history = History(program, work, case, late, seed)
    name = f"{case.name} ({'late' if late else 'in time'}, {history.partitions} partitions)"
    try:
        wrong = list(history.play())
    except (Failure, subprocess.TimeoutExpired) as why:
        wrong = [str(why)]
    if wrong:
        print("\n".join([f"FAILED {name}", *wrong, "  after: " + "; ".join(history.steps)]))
    else:
        print(f"ok {name}")
        shutil.rmtree(history.folder)
    sys.stdout.flush()
    return not wrong


def main():
    args = argparse.ArgumentParser(description="Compares the rows of speed and batch over random histories.")
    args.add_argument("--tally", type=pathlib.Path, required=True)
    args.add_argument("--work", type=pathlib.Path, required=True)
    args.add_argument("--random", type=int, default=0, metavar="STREAMS")
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("case", nargs="*")
    own = args.parse_args()
    work = own.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    print(f"histories of seed {own.seed}:")
    cases = [*([] if own.case == ["none"] else cases_read(own.case)), *cases_made(own.random, own.seed)]
    cases = [in_our_days(case) for case in cases]
    todo = [(case, late) for case in cases for late in (False, True) if late or not over_decades(case)]
    # Two thirds of a history's time its programs sleep or wait for the disk.
    with concurrent.futures.ThreadPoolExecutor(3 * os.cpu_count()) as threads:
        results = list(threads.map(lambda one: played(own.tally.resolve(), work, own.seed, *one), todo))
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main()
