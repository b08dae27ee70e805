-- aggregates_double: sums of DOUBLE are exact and rounded once, so that order and grouping do not matter (semantics.md 10.4).
-- shuffle 15000
CREATE TABLE events (
    host STRING, x DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW sums AS
    SELECT window_start, window_end, host, COUNT(x) AS c, SUM(x) AS s, AVG(x) AS mean, MIN(x) AS lo, MAX(x) AS hi
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
