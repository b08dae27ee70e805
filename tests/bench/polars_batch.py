"""polars_batch.py: the views of the benchmarks from the same archive files by Polars, timed inside.

polars_batch.py ROUNDS memory plain|dedup|sessions GLOB     as duckdb_batch.py; the result is data frames in memory

The quickest of the forms that were tried: the streaming engine, and hits added up from hits by referrer. Prints one line as the other benchmarks do; the
time is the queries' alone: neither start of Python nor import.
"""
import os

os.environ["POLARS_MAX_THREADS"] = "2"

import resource
import statistics
import sys
import time

import polars as pl

COLUMNS = {"plain": ["host", "referrer"], "dedup": ["event_id", "host", "referrer"], "sessions": ["ip", "host"]}
GAP_MS = 300_000


def events(kind, glob):
    """The wanted columns of all events, as a lazy frame."""
    schema = {name: pl.String for name in COLUMNS[kind] + ["event_time"]}
    frame = pl.scan_ndjson(glob, schema=schema)
    return frame.with_columns(pl.col("event_time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms"))


def hits(frame):
    """Both views of views.sql."""
    by_referrer = (frame.group_by(pl.col("event_time").dt.truncate("5m").alias("window_start"), "host", "referrer")
                   .agg(pl.len().alias("num_hits")).collect(engine="streaming"))
    return [by_referrer, by_referrer.group_by("window_start", "host").agg(pl.col("num_hits").sum())]


def visits(frame):
    """views_session.sql."""
    time_ms = pl.col("event_time").dt.timestamp("ms")
    starts = (pl.col("time_ms") - pl.col("time_ms").shift(1)).over("ip", "host") > GAP_MS
    return [(frame.select("ip", "host", time_ms.alias("time_ms")).sort("ip", "host", "time_ms")
             .with_columns(starts.fill_null(True).cum_sum().alias("number"))
             .group_by("number").agg(pl.col("ip").first(), pl.col("host").first(), pl.col("time_ms").min().alias("window_start"),
                                     pl.col("time_ms").max().alias("window_end") + GAP_MS, pl.len().alias("num_hits"))
             .collect(engine="streaming"))]


def run(kind, glob):
    """One round; returns seconds, events and rows."""
    begin = time.perf_counter()
    frame = events(kind, glob)
    if kind == "dedup":
        frame = frame.group_by("event_id").agg(pl.col("host").first(), pl.col("referrer").first(), pl.col("event_time").first())
    results = visits(frame) if kind == "sessions" else hits(frame)
    seconds = time.perf_counter() - begin
    return seconds, results[0]["num_hits"].sum(), sum(result.height for result in results)


def main():
    if len(sys.argv) != 5 or sys.argv[2] != "memory" or sys.argv[3] not in COLUMNS:
        sys.exit("usage: polars_batch.py ROUNDS memory plain|dedup|sessions GLOB")
    results = [run(sys.argv[3], sys.argv[4]) for _ in range(int(sys.argv[1]))]
    seconds = statistics.median(r[0] for r in results)
    rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"events_per_s={results[0][1] / seconds:.0f} seconds={seconds:.4f} events={results[0][1]} rows={results[0][2]} "
          f"rss_bytes={rss_bytes} version={pl.__version__}")


if __name__ == "__main__":
    main()
