"""clickhouse_batch.py: the views of the benchmarks from the same archive files by ClickHouse (chdb, the engine in this process), timed inside.

clickhouse_batch.py ROUNDS memory plain|dedup|sessions GLOB     as duckdb_batch.py; the result stays in tables of the engine Memory

The quickest of the forms that were tried. Prints one line as the other benchmarks do; the time is the queries' alone: neither start of Python
nor import.
"""
import resource
import statistics
import sys
import time

import chdb
from chdb import session

SETTINGS = "SET max_threads = 2, date_time_input_format = 'best_effort', input_format_skip_unknown_fields = 1"
EVENTS = "file('{glob}', 'JSONEachRow', '{columns}host String, event_time DateTime64(3, \\'UTC\\')')"
COLUMNS = {"plain": "referrer Nullable(String), ", "dedup": "event_id String, referrer Nullable(String), ", "sessions": "ip String, "}
BY_REFERRER = """CREATE TABLE hits_by_referrer ENGINE = Memory AS
    SELECT toStartOfInterval(event_time, INTERVAL 5 MINUTE) AS window_start, host, referrer, count() AS num_hits
    FROM {events} GROUP BY window_start, host, referrer"""
HITS = """CREATE TABLE hits ENGINE = Memory AS
    SELECT window_start, host, sum(num_hits) AS num_hits FROM hits_by_referrer GROUP BY window_start, host"""
ONCE = """(SELECT any(host) AS host, any(referrer) AS referrer, any(event_time) AS event_time FROM {events} GROUP BY event_id)"""
VISITS = """CREATE TABLE visits ENGINE = Memory AS
    SELECT min(time_ms) AS window_start, max(time_ms) + 300000 AS window_end, ip, host, count() AS num_hits
    FROM (SELECT ip, host, time_ms,
              sum(starts) OVER (PARTITION BY ip, host ORDER BY time_ms ROWS UNBOUNDED PRECEDING) AS number
          FROM (SELECT ip, host, time_ms,
                    time_ms - lagInFrame(time_ms, 1, -1000000000000) OVER (PARTITION BY ip, host ORDER BY time_ms
                        ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) > 300000 AS starts
                FROM (SELECT ip, host, toUnixTimestamp64Milli(event_time) AS time_ms FROM {events})))
    GROUP BY ip, host, number"""
TABLES = {"plain": {"hits_by_referrer": BY_REFERRER, "hits": HITS}, "sessions": {"visits": VISITS}}
TABLES["dedup"] = TABLES["plain"]


def run(kind, glob):
    """One round; returns seconds, events and rows."""
    engine = session.Session()
    engine.query(SETTINGS)
    events = EVENTS.format(glob=glob, columns=COLUMNS[kind])
    if kind == "dedup":
        events = ONCE.format(events=events)
    begin = time.perf_counter()
    for query in TABLES[kind].values():
        engine.query(query.format(events=events))
    seconds = time.perf_counter() - begin
    counts = [[int(n) for n in str(engine.query(f"SELECT sum(num_hits), count() FROM {table}", "CSV")).split(",")] for table in TABLES[kind]]
    engine.close()
    return seconds, counts[0][0], sum(rows for _, rows in counts)


def main():
    if len(sys.argv) != 5 or sys.argv[2] != "memory" or sys.argv[3] not in TABLES:
        sys.exit("usage: clickhouse_batch.py ROUNDS memory plain|dedup|sessions GLOB")
    results = [run(sys.argv[3], sys.argv[4]) for _ in range(int(sys.argv[1]))]
    seconds = statistics.median(r[0] for r in results)
    rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"events_per_s={results[0][1] / seconds:.0f} seconds={seconds:.4f} events={results[0][1]} rows={results[0][2]} "
          f"rss_bytes={rss_bytes} version={chdb.engine_version}")


if __name__ == "__main__":
    main()
