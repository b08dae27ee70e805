-- aggregates_int: types and NULLs of the aggregates over INT (semantics.md 7; 11, case 20).
-- shuffle 15000
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW sums AS
    SELECT window_start, window_end, host, COUNT(*) AS c, COUNT(n) AS cn, SUM(n) AS s, MIN(n) AS lo, MAX(n) AS hi, AVG(n) AS mean
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
