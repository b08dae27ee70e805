-- temporary_views: a temporary view is a building block: filters add up, its columns are expressions, nothing of it is stored.
-- shuffle 15000
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE TEMPORARY VIEW known AS SELECT * FROM events WHERE host IS NOT NULL;
CREATE TEMPORARY VIEW halves AS SELECT event_time, UPPER(host) AS who, n / 2 AS half FROM known WHERE n > 1;
CREATE VIEW hits AS
    SELECT window_start, window_end, who, SUM(half) AS total
    FROM TABLE(TUMBLE(TABLE halves, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE half < 10
    GROUP BY window_start, window_end, who;
CREATE VIEW big AS SELECT who, half FROM halves WHERE half >= 10;
