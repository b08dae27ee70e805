-- aggregates_quantile: PERCENTILE interpolates; the approximate one reads buckets by their middles; a frequency of 0 or NULL is no row.
-- shuffle 15000
CREATE TABLE events (
    host STRING, v INT, f INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW tumbles AS
    SELECT window_start, window_end, host, PERCENTILE(v, 0.5) AS p50, PERCENTILE(v, 0) AS p0, PERCENTILE(v, 1) AS p100, PERCENTILE(v, 0.25) AS p25, PERCENTILE(v, 0.25, f) AS weighed,
        PERCENTILE(v, 0.5) FILTER (WHERE v > 1) AS some, APPROX_PERCENTILE(v, 0) AS a0, APPROX_PERCENTILE(v, 0.5) AS a50, APPROX_PERCENTILE(v, 1) AS a100, APPROX_COUNT_DISTINCT(v) AS ac
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW hops AS
    SELECT window_start, window_end, host, PERCENTILE(v, 0.5) AS p50, PERCENTILE(v, 0) AS p0, PERCENTILE(v, 1) AS p100, PERCENTILE(v, 0.25) AS p25, PERCENTILE(v, 0.25, f) AS weighed,
        PERCENTILE(v, 0.5) FILTER (WHERE v > 1) AS some, APPROX_PERCENTILE(v, 0) AS a0, APPROX_PERCENTILE(v, 0.5) AS a50, APPROX_PERCENTILE(v, 1) AS a100, APPROX_COUNT_DISTINCT(v) AS ac
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW steps AS
    SELECT window_start, window_end, host, PERCENTILE(v, 0.5) AS p50, PERCENTILE(v, 0) AS p0, PERCENTILE(v, 1) AS p100, PERCENTILE(v, 0.25) AS p25, PERCENTILE(v, 0.25, f) AS weighed,
        PERCENTILE(v, 0.5) FILTER (WHERE v > 1) AS some, APPROX_PERCENTILE(v, 0) AS a0, APPROX_PERCENTILE(v, 0.5) AS a50, APPROX_PERCENTILE(v, 1) AS a100, APPROX_COUNT_DISTINCT(v) AS ac
    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW visits AS
    SELECT window_start, window_end, host, PERCENTILE(v, 0.5) AS p50, PERCENTILE(v, 0) AS p0, PERCENTILE(v, 1) AS p100, PERCENTILE(v, 0.25) AS p25, PERCENTILE(v, 0.25, f) AS weighed,
        PERCENTILE(v, 0.5) FILTER (WHERE v > 1) AS some, APPROX_PERCENTILE(v, 0) AS a0, APPROX_PERCENTILE(v, 0.5) AS a50, APPROX_PERCENTILE(v, 1) AS a100, APPROX_COUNT_DISTINCT(v) AS ac
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '5' SECOND))
    GROUP BY window_start, window_end, host;
