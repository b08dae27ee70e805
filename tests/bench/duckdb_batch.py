"""duckdb_batch.py: the two views of views.sql from the same archive files by DuckDB, timed inside.

duckdb_batch.py ROUNDS memory|table plain|dedup GLOB [DATABASE]

  memory  the result stays in DuckDB's memory          plain  all events
  table   the result is a table in DATABASE, durable   dedup  one event of each event_id

The quickest of the forms that were tried: grouping by both and adding up from that (grouping sets, and one scan kept for two queries, took
10% longer); any_value by event_id (DISTINCT ON took a third longer). Prints one line as the other benchmarks do; the time is the
queries' alone: neither start of Python nor import.
"""
import os
import resource
import statistics
import sys
import time

import duckdb

EVENTS = """read_json('{glob}', format='newline_delimited', compression='zstd',
    columns={{{ids}'host': 'VARCHAR', 'referrer': 'VARCHAR', 'event_time': 'TIMESTAMP'}})"""
BY_REFERRER = """CREATE {temporary} TABLE hits_by_referrer AS
    SELECT time_bucket(INTERVAL 5 MINUTE, event_time) AS window_start, host, referrer, count(*) AS num_hits
    FROM {events} GROUP BY ALL"""
HITS = """CREATE {temporary} TABLE hits AS
    SELECT window_start, host, sum(num_hits)::BIGINT AS num_hits FROM hits_by_referrer GROUP BY ALL"""
ONCE = """(SELECT any_value(host) AS host, any_value(referrer) AS referrer, any_value(event_time) AS event_time
    FROM {events} GROUP BY event_id)"""


def run(to_table, dedup, glob, database):
    """One round; returns seconds, events and rows."""
    if to_table:
        for name in (database, database + ".wal"):
            if os.path.exists(name):
                os.unlink(name)
    connection = duckdb.connect(database if to_table else ":memory:")
    connection.execute("SET threads = 2")
    connection.execute("SET preserve_insertion_order = false")
    events = EVENTS.format(glob=glob, ids="'event_id': 'VARCHAR', " if dedup else "")
    if dedup:
        events = ONCE.format(events=events)
    temporary = "" if to_table else "TEMPORARY"
    begin = time.perf_counter()
    connection.execute(BY_REFERRER.format(temporary=temporary, events=events))
    connection.execute(HITS.format(temporary=temporary))
    if to_table:
        connection.execute("CHECKPOINT")
    seconds = time.perf_counter() - begin
    hits, rows = connection.execute("SELECT sum(num_hits), count(*) FROM hits").fetchone()
    rows += connection.execute("SELECT count(*) FROM hits_by_referrer").fetchone()[0]
    connection.close()
    return seconds, hits, rows


def main():
    if len(sys.argv) not in (5, 6) or sys.argv[2] not in ("memory", "table") or sys.argv[3] not in ("plain", "dedup"):
        sys.exit("usage: duckdb_batch.py ROUNDS memory|table plain|dedup GLOB [DATABASE]")
    rounds, to_table, dedup, glob = int(sys.argv[1]), sys.argv[2] == "table", sys.argv[3] == "dedup", sys.argv[4]
    if to_table and len(sys.argv) != 6:
        sys.exit("duckdb_batch.py: 'table' needs a DATABASE to write")
    results = [run(to_table, dedup, glob, sys.argv[5] if to_table else "") for _ in range(rounds)]
    seconds = statistics.median(r[0] for r in results)
    rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"events_per_s={results[0][1] / seconds:.0f} seconds={seconds:.4f} events={results[0][1]} rows={results[0][2]} "
          f"rss_bytes={rss_bytes} version={duckdb.__version__}")


if __name__ == "__main__":
    main()
