#!/usr/bin/env python3
"""proof.py: runs the same views in a real Flink and in tally, and compares all rows. tests/flink/README says how a case is written.

proof.py --tally PROGRAM --flink FOLDER --work FOLDER [--random PAIRS] [--seed SEED] [CASE...]

FOLDER of --flink has what Maven built: classes and lib. Prints a line a case, and in the end "N passed, N failed" alone on a line.
Exit status: 0 all rows agree, 1 some do not, 2 wrong usage, 3 Flink did not run at all."""

import argparse
import concurrent.futures
import datetime
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zoneinfo

import random_case

HERE = pathlib.Path(__file__).resolve().parent
# With the 48 MB of compiled code that are usual the JVM stops compiling after half of the cases, and interprets the others.
JAVA = ["java", "-Xmx3g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=512m",
        "--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED",
        "--add-opens=java.base/java.time=ALL-UNNAMED"]
LAYER_OF = {"stream": "speed", "record": "batch"}
TOLERANCE = {"DOUBLE": 1e-9, "FLOAT": 1e-5}  # relative: Flink adds in the order of arrival, tally exactly and rounds once
END_DAYS = 60  # the closing event comes so long after all others, and no window is longer than half of that
SHOWN_MAX = 8  # rows of a difference
MILLISECOND = datetime.timedelta(milliseconds=1)

TIME = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(\.\d+)?(Z?)$")


class Failure(Exception):
    """What is wrong with a case, for its reader."""


def time_read(text):
    return datetime.datetime.fromisoformat(text.rstrip("Z").replace(" ", "T"))


def time_print(time, pattern="T.Z"):
    """As the text that `pattern` was made of: with its separator, and a Z where it had one."""
    return time.isoformat(pattern[0], "milliseconds") + pattern[2:]


def pattern_of(text):
    """What time_print() prints a time like this text by."""
    return f"{TIME.match(text)[1]}.{TIME.match(text)[3]}"


class Case:
    """A views file, its events in order of arrival, and what its comments say."""

    def __init__(self, name, sql, events):
        self.name, self.sql = name, sql
        self.events = [line for line in events.splitlines() if line and not line.startswith("#")]
        self.views = re.findall(r"^CREATE VIEW (\w+)", sql, re.M)
        self.deviates = bool(re.search(r"^-- deviates: \S", sql, re.M))
        self.modes = [mode for mode in LAYER_OF if not re.search(rf"^-- not as {mode}: \S", sql, re.M)]
        self.rewrites = re.findall(r"^-- in Flink: (.*) => (.*)$", sql, re.M)
        self.lists = dict(re.findall(r"^-- any order: (\w+\.\w+) by '(.*)'$", sql, re.M))
        self.not_compared = [(mode, view, time_read(start), time_read(end))
                             for mode, view, start, end in re.findall(r"^-- not compared: (\w+) (\w+) (.*) to (.*)$", sql, re.M)]
        closing = re.search(r"^-- closing event: (.*)$", sql, re.M)
        self.closing = json.loads(closing[1]) if closing else {}
        zone = re.search(r"^SET 'table.local-time-zone' = '(.*)';", sql, re.M)
        self.zone = zoneinfo.ZoneInfo(zone[1] if zone else "UTC")
        self.time_name = re.search(r"WATERMARK FOR (\w+)", sql)[1]
        times = [time_read(value) for event in self.objects() for value in self.times_of(event).values()]
        self.first, self.last = min(times), max(times)
        self.cut = self.last + datetime.timedelta(days=END_DAYS / 2)
        self.wanted, self.own = {}, {}

    def objects(self):
        for line in self.events:
            event = json.loads(line)
            yield from event if isinstance(event, list) else [event]

    def times_of(self, event):
        """Its event time, by name: the column itself, or, where that is computed, whatever looks like a time."""
        return {key: value for key, value in event.items() if is_time(value) and (key == self.time_name or self.time_name not in event)}

    def middle(self):
        return self.first + (self.last - self.first) / 2

    def closing_event(self):
        """An event with little but a time, so late that it closes every window of the others."""
        for event in self.objects():
            end = {key: time_print(self.last + datetime.timedelta(days=END_DAYS), pattern_of(value))
                   for key, value in self.times_of(event).items()}
            if end:
                return json.dumps(end | self.closing)
        raise Failure("no event has a time")


def is_time(value):
    if not isinstance(value, str) or not TIME.match(value):
        return False
    try:
        time_read(value)
    except ValueError:  # the 31st of February
        return False
    return True


def facts_read(path):
    """`MODE VIEW [row]` a line -> {(mode, view): rows}. A view without rows: `MODE VIEW none`."""
    facts = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                mode, view, row = line.split(" ", 2)
                facts.setdefault((mode, view), []).extend([] if row == "none" else [json.loads(row)])
    return facts


def cases_read(names):
    for path in sorted((HERE / "cases").glob("*.sql")):
        if not names or path.stem in names:
            case = Case(path.stem, path.read_text(encoding="utf-8"), path.with_suffix(".events").read_text(encoding="utf-8"))
            case.wanted, case.own = facts_read(path.with_suffix(".want")), facts_read(path.with_suffix(".tally"))
            yield case


# --- tally ------------------------------------------------------------------------------------------------------------


class Tally:
    """Runs the program on a case in a folder of its own."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def run(self, *args):
        done = subprocess.run([self.program, *args, "--views", "views.sql", "--data", "data"], cwd=self.folder, text=True,
                              capture_output=True, encoding="utf-8", check=False, timeout=120)
        if done.returncode != 0:
            raise Failure(f"tally {args[0]}: exit {done.returncode}\n{done.stderr.strip()}")
        return done.stdout

    def compute(self, case):
        """In two steps each: speed is started again in the middle of the log, batch in the middle of the time."""
        half = self.folder / "events"
        whole = half.read_text(encoding="utf-8")
        lines = whole.splitlines(keepends=True)
        half.write_text("".join(lines[:len(lines) // 2]), encoding="utf-8")
        for text in (half.read_text(encoding="utf-8"), whole):
            half.write_text(text, encoding="utf-8")
            if text:
                self.run("import", "events", "--format", "jsonl")
                self.run("speed", "--once")
        self.run("archive")
        for end in (case.middle(), case.cut):
            self.run("batch", "--to", time_print(end))
        for mode, layer in LAYER_OF.items():
            for view in case.views:
                (self.folder / f"tally.{mode}.{view}").write_text(
                    self.run("query", view, "--layer", layer, "--format", "json"), encoding="utf-8")


def prepare(program, work, case):
    """Writes a case's folder: what Flink will read, and what tally gave. A mistake goes into the file `refused`."""
    folder = work / case.name
    folder.mkdir(parents=True)
    tally = Tally(program, folder)
    (folder / "views.sql").write_text(case.sql, encoding="utf-8")
    (folder / "events").write_text("".join(line + "\n" for line in [*case.events, case.closing_event()]), encoding="utf-8")
    try:
        script = tally.run("explain", "--flink")
        for old, new in case.rewrites:
            if old not in script:
                raise Failure(f"the script for Flink has no {old}")
            script = script.replace(old, new)
        (folder / "flink.sql").write_text(script, encoding="utf-8")
        tally.compute(case)
    except (Failure, subprocess.TimeoutExpired) as why:
        (folder / "refused").write_text(str(why), encoding="utf-8")


# --- comparing --------------------------------------------------------------------------------------------------------


def rows_of_flink(work, case, mode, view):
    folder = work / case.name / mode
    if (folder / "error").exists():
        raise Failure(f"Flink ({mode}): " + (folder / "error").read_text(encoding="utf-8").split("\n\n")[0])
    path = folder / f"{view}.rows"
    if not path.exists():
        path = folder / f"{view}_sink.rows"
    head, *rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return head, rows


def rows_of_tally(work, case, mode, view, head):
    rows = []
    for named in json.loads((work / case.name / f"tally.{mode}.{view}").read_text(encoding="utf-8")):
        if {key for key in named if key not in ("_layer", "_final")} != {name for name, _ in head}:
            raise Failure(f"{view} has the columns {', '.join(named)}")
        row = [wall_clock(case, named[name], name) if is_bound(case, name, kind) else named[name] for name, kind in head]
        if not is_closing(case, row):
            if named["_final"] is not True:
                raise Failure(f"{view} ({mode}): a row is not final: {json.dumps(row)}")
            rows.append(row)
    return rows


# tally has the bounds of windows as instants, Flink as wall clock of the session's zone. Compared is the wall clock: of the first instant, and
# behind the last. A bound that the clock jumps over is no instant: there tally's windows begin and end with the jump (common/sql/FLINK.md), and
# those that differ only by what does not exist are one. window_time in Flink is the first showing of a wall clock, in tally the last; of a window
# that ends where the clock jumps, the jump.

ENDS = ("window_end", "part_end")
TIME_OF = {"window_end": "window_time", "part_end": "part_time"}


def is_bound(case, name, kind):
    """The bounds of windows, and of those that a view reads."""
    zoned = re.search(r"TIMESTAMP_LTZ\(3\),", case.sql)
    if name in ("window_time", "part_time"):
        return zoned and kind == "TIMESTAMP_LTZ(3)"
    return zoned and kind == "TIMESTAMP(3)" and name in ("window_start", "window_end", "part_start", "part_end")


def wall_clock(case, text, name):
    behind = MILLISECOND if name in ENDS else datetime.timedelta()
    time = (time_read(text) - behind).replace(tzinfo=datetime.timezone.utc).astimezone(case.zone)
    return time_print(time.replace(tzinfo=None) + behind)


def jump_over(case, text, name):
    """The instant at which the clock jumps over a bound that Flink gave; None: it does not."""
    behind = MILLISECOND if name in ENDS else datetime.timedelta()
    wall = time_read(text) - behind
    early, late = (wall.replace(tzinfo=case.zone, fold=fold).astimezone(datetime.timezone.utc) for fold in (1, 0))
    if late.astimezone(case.zone).replace(tzinfo=None) == wall:
        return None
    while late - early > MILLISECOND:  # the instant of the jump lies between
        middle = early + (late - early) / 2
        if middle.astimezone(case.zone).utcoffset() == early.astimezone(case.zone).utcoffset():
            early = middle
        else:
            late = middle
    return late.replace(microsecond=late.microsecond // 1000 * 1000)


def on_the_wall(case, instant):
    return instant.astimezone(case.zone).replace(tzinfo=None)


def row_as_tally(case, head, row):
    """A row that Flink gave, as tally has it; and where a window of CUMULATE would end that tally has in its place, or None."""
    moved, before = list(row), None
    bounds = [(i, name, kind) for i, (name, kind) in enumerate(head) if is_bound(case, name, kind)]
    for i, name, kind in bounds:
        if kind == "TIMESTAMP_LTZ(3)":
            moved[i] = wall_clock(case, row[i], name)
    for i, name, kind in bounds:
        jump = None if kind == "TIMESTAMP_LTZ(3)" else jump_over(case, row[i], name)
        if jump is None:
            continue
        moved[i] = time_print(on_the_wall(case, jump) + (MILLISECOND if name in ENDS else datetime.timedelta()))
        if name in ENDS:
            before = time_print(on_the_wall(case, jump - MILLISECOND) + MILLISECOND)
            for t, (other, other_kind) in enumerate(head):
                if other == TIME_OF[name] and other_kind == "TIMESTAMP_LTZ(3)":
                    moved[t] = time_print(on_the_wall(case, jump))
    return moved, before


def bounds_as_tally(case, view, head, rows):
    if case.zone.key == "UTC":
        return rows
    names = [name for name, _ in head]
    # A row without its time: windows of CUMULATE that differ only by what does not exist hold the same.
    rest = [i for i, name in enumerate(names) if name not in (*ENDS, *TIME_OF.values())]
    end = next((i for i, name in enumerate(names) if name in ENDS), None)
    cumulates = re.search(rf"CREATE VIEW {view} AS\s[^;]*\bCUMULATE\(", case.sql)
    out, there = {}, {json.dumps([row[i] for i in [end, *rest]]) for row in rows} if cumulates and end is not None else set()
    for row in rows:
        moved, before = row_as_tally(case, head, row)
        if not (before and json.dumps([before, *(moved[i] for i in rest)]) in there):
            out[json.dumps(moved)] = moved
    return list(out.values())


def is_compared(case, mode, view, head, row):
    bounds = [time_read(row[i]) for name in ("window_start", "window_end", "part_start", "part_end")
              for i, (other, _) in enumerate(head) if other == name]
    return not any(row_of == [mode, view] and bounds[0] < end and bounds[1] > start for *row_of, start, end in case.not_compared)


def is_closing(case, row):
    return any(is_time(value) and time_read(value) > case.cut for value in row)


def same_value(kind, a, b):
    if kind in TOLERANCE and all(isinstance(v, (int, float)) for v in (a, b)):
        return math.isclose(a, b, rel_tol=TOLERANCE[kind], abs_tol=1e-300)
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def in_order(head, rows):
    """By what must agree exactly, and then by the rest: rows that belong together stand at the same place in both."""
    exact = [i for i, (_, kind) in enumerate(head) if kind not in TOLERANCE]
    about = [i for i, (_, kind) in enumerate(head) if kind in TOLERANCE]
    return sorted(rows, key=lambda row: (json.dumps([row[i] for i in exact]), [about_key(row[i]) for i in about]))


def about_key(value):
    return (1, value, "") if isinstance(value, (int, float)) else (0, 0, str(value))


def lists_sorted(case, view, head, rows):
    """The parts of a list whose order is not promised: of LISTAGG over slices."""
    at = {i: case.lists[f"{view}.{name}"] for i, (name, _) in enumerate(head) if f"{view}.{name}" in case.lists}
    return [[value if i not in at or value is None else at[i].join(sorted(value.split(at[i]))) for i, value in enumerate(row)]
            for row in rows]


def difference(names, head, left, right):
    """What the two sets of rows do not share, as text; '' when they agree."""
    for row in left + right:
        if len(row) != len(head):
            raise Failure(f"a row has not {len(head)} columns: {json.dumps(row)}")
    left, right = in_order(head, left), in_order(head, right)
    i = j = 0
    lines = []
    while i < len(left) or j < len(right):
        pair = [left[i], right[j]] if i < len(left) and j < len(right) else None
        if pair and all(same_value(kind, a, b) for (_, kind), a, b in zip(head, *pair, strict=True)):
            i, j = i + 1, j + 1
        elif j == len(right) or (i < len(left) and in_order(head, [left[i], right[j]])[0] == left[i]):
            lines.append(f"  {names[0]} alone: {json.dumps(left[i], ensure_ascii=False)}")
            i += 1
        else:
            lines.append(f"  {names[1]} alone: {json.dumps(right[j], ensure_ascii=False)}")
            j += 1
    more = len(lines) - SHOWN_MAX
    return "\n".join(lines[:SHOWN_MAX] + ([f"  and {more} more"] if more > 0 else []))


def check_view(work, case, mode, view):
    head, rows = rows_of_flink(work, case, mode, view)
    rows = lists_sorted(case, view, head, [row for row in rows if not is_closing(case, row)])
    if (mode, view) in case.wanted:
        wrong = difference(("Flink", "want"), head, rows, case.wanted[mode, view])
        if wrong:
            raise Failure(f"{view} ({mode}): Flink is not as wanted\n{wrong}")
    if (work / case.name / "refused").exists():
        raise Failure((work / case.name / "refused").read_text(encoding="utf-8"))
    mine = lists_sorted(case, view, head, rows_of_tally(work, case, mode, view, head))
    rows = bounds_as_tally(case, view, head, rows)
    mine, rows = ([row for row in some if is_compared(case, mode, view, head, row)] for some in (mine, rows))
    if (mode, view) in case.own:
        if not difference(("tally", "Flink"), head, mine, rows):
            raise Failure(f"{view} ({mode}): tally deviates no more from Flink")
        rows = case.own[mode, view]
    wrong = difference(("tally", "want" if (mode, view) in case.own else "Flink"), head, mine, rows)
    if wrong:
        raise Failure(f"{view} ({mode})\n{wrong}")
    return len(rows)


def check(work, case, views):
    """The number of rows that were compared."""
    if case.own and not case.deviates:
        raise Failure(f"{case.name}.tally needs a comment `-- deviates: why` in {case.name}.sql")
    if (work / case.name / "refused").exists() and not (work / case.name / "stream").exists():
        raise Failure((work / case.name / "refused").read_text(encoding="utf-8"))
    compared = sum(check_view(work, case, mode, view) for mode in case.modes for view in views)
    if compared == 0 and views == case.views and not case.wanted:  # a random view may have no row
        raise Failure("there was no row to compare")
    return compared


# --- the whole --------------------------------------------------------------------------------------------------------


def flink_run(flink, work):
    jars = sorted(str(jar) for jar in (flink / "lib").glob("*.jar"))
    done = subprocess.run([*JAVA, "-cp", os.pathsep.join([str(flink / "classes"), *jars]), "tally.Proof", str(work)],
                          stdout=sys.stderr, check=False)
    if done.returncode != 0:
        print(f"proof.py: Flink did not run: exit {done.returncode}", file=sys.stderr)
        sys.exit(3)


def report(name, work, case, views):
    try:
        compared = check(work, case, views)
    except Failure as why:
        print(f"FAILED {name}: {why}")
        return False
    print(f"ok {name} ({compared} rows)")
    return True


def main():
    args = argparse.ArgumentParser(description="Compares tally's rows with Flink's.")
    args.add_argument("--tally", type=pathlib.Path, required=True)
    args.add_argument("--flink", type=pathlib.Path, required=True)
    args.add_argument("--work", type=pathlib.Path, required=True)
    args.add_argument("--random", type=int, default=0, metavar="PAIRS")
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("case", nargs="*")
    own = args.parse_args()
    work = own.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    cases = [] if own.case == ["none"] else list(cases_read(own.case))
    pairs = [Case(name, sql, events) for name, sql, events in random_case.streams(own.random, own.seed)]
    with concurrent.futures.ThreadPoolExecutor(3 * os.cpu_count()) as threads:  # tally sleeps, or waits for the disk, two thirds of the time
        list(threads.map(lambda case: prepare(own.tally.resolve(), work, case), [*cases, *pairs]))
    flink_run(own.flink.resolve(), work)
    results = [report(case.name, work, case, case.views) for case in cases]
    if pairs:
        print(f"random pairs of seed {own.seed}:")
    results += [report(f"{case.name}/{view}", work, case, [view]) for case in pairs for view in case.views]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main()
