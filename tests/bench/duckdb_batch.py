"""duckdb_batch.py: the views of the benchmarks from the same archive files by DuckDB, timed inside.

duckdb_batch.py ROUNDS memory|table plain|dedup|sessions GLOB [OUT]

  memory  the result stays in DuckDB's memory            plain     views.sql, all events
  table   the result is a table in the database OUT,     dedup     views_dedup.sql, one event of each event_id
          durable                                        sessions  views_session.sql; in memory, OUT gets the rows as CSV, not timed

The quickest of the forms that were tried: grouping by both and adding up from that (grouping sets, and one scan kept for two queries, took
10% longer); any_value by event_id (DISTINCT ON took a third longer); sessions by lag and a running sum of starts over numbers (over
timestamps, and with the default frame, 10% longer). Prints one line as the other benchmarks do; the time is the queries' alone:
neither start of Python nor import.
"""
import os
import resource
import statistics
import sys
import time

import duckdb

EVENTS = """read_json('{glob}', format='newline_delimited', compression='zstd',
    columns={{{columns}'host': 'VARCHAR', 'event_time': 'TIMESTAMP'}})"""
COLUMNS = {"plain": "'referrer': 'VARCHAR', ", "dedup": "'event_id': 'VARCHAR', 'referrer': 'VARCHAR', ", "sessions": "'ip': 'VARCHAR', "}
BY_REFERRER = """CREATE {temporary} TABLE hits_by_referrer AS
    SELECT time_bucket(INTERVAL 5 MINUTE, event_time) AS window_start, host, referrer, count(*) AS num_hits
    FROM {events} GROUP BY ALL"""
HITS = """CREATE {temporary} TABLE hits AS
    SELECT window_start, host, sum(num_hits)::BIGINT AS num_hits FROM hits_by_referrer GROUP BY ALL"""
ONCE = """(SELECT any_value(host) AS host, any_value(referrer) AS referrer, any_value(event_time) AS event_time
    FROM {events} GROUP BY event_id)"""
VISITS = """CREATE {temporary} TABLE visits AS
    SELECT min(time_ms) AS window_start, max(time_ms) + 300000 AS window_end, ip, host, count(*) AS num_hits
    FROM (SELECT ip, host, time_ms,
              sum(starts) OVER (PARTITION BY ip, host ORDER BY time_ms ROWS UNBOUNDED PRECEDING) AS number
          FROM (SELECT ip, host, time_ms,
                    (time_ms - lag(time_ms, 1, -1000000000000) OVER (PARTITION BY ip, host ORDER BY time_ms) > 300000)::INTEGER
                        AS starts
                FROM (SELECT ip, host, epoch_ms(event_time) AS time_ms FROM {events})))
    GROUP BY ip, host, number"""
TABLES = {"plain": {"hits_by_referrer": BY_REFERRER, "hits": HITS}, "sessions": {"visits": VISITS}}
TABLES["dedup"] = TABLES["plain"]


def run(to_table, kind, glob, out):
    """One round; returns seconds, events and rows."""
    if to_table:
        for name in (out, out + ".wal"):
            if os.path.exists(name):
                os.unlink(name)
    connection = duckdb.connect(out if to_table else ":memory:")
    connection.execute("SET threads = 2")
    connection.execute("SET preserve_insertion_order = false")
    events = EVENTS.format(glob=glob, columns=COLUMNS[kind])
    if kind == "dedup":
        events = ONCE.format(events=events)
    begin = time.perf_counter()
    for query in TABLES[kind].values():
        connection.execute(query.format(temporary="" if to_table else "TEMPORARY", events=events))
    if to_table:
        connection.execute("CHECKPOINT")
    seconds = time.perf_counter() - begin
    counts = [connection.execute(f"SELECT sum(num_hits), count(*) FROM {table}").fetchone() for table in TABLES[kind]]
    if out and not to_table:
        connection.execute(f"COPY {list(TABLES[kind])[-1]} TO '{out}' (HEADER false)")
    connection.close()
    return seconds, counts[0][0], sum(rows for _, rows in counts)


def main():
    if len(sys.argv) not in (5, 6) or sys.argv[2] not in ("memory", "table") or sys.argv[3] not in TABLES:
        sys.exit("usage: duckdb_batch.py ROUNDS memory|table plain|dedup|sessions GLOB [OUT]")
    rounds, to_table, kind, glob = int(sys.argv[1]), sys.argv[2] == "table", sys.argv[3], sys.argv[4]
    if to_table and len(sys.argv) != 6:
        sys.exit("duckdb_batch.py: 'table' needs a database to write")
    results = [run(to_table, kind, glob, sys.argv[5] if len(sys.argv) == 6 else "") for _ in range(rounds)]
    seconds = statistics.median(r[0] for r in results)
    rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"events_per_s={results[0][1] / seconds:.0f} seconds={seconds:.4f} events={results[0][1]} rows={results[0][2]} "
          f"rss_bytes={rss_bytes} version={duckdb.__version__}")


if __name__ == "__main__":
    main()
