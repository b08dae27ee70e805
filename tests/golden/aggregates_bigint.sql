-- aggregates_bigint: BIGINT wraps at 64 bits, SMALLINT and TINYINT at their own width, and AVG has the type of its input.
-- shuffle 15000
CREATE TABLE events (
    host STRING, big BIGINT, small SMALLINT, tiny TINYINT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW sums AS
    SELECT window_start, window_end, host, SUM(big) AS b, AVG(big) AS mean, SUM(small) AS s, SUM(tiny) AS t, MAX(tiny) AS hi
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
