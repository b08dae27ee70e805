-- count_distinct_session: count distinct over session, with NULLs, filters and groups that have none.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW v AS
    SELECT window_start, window_end, host, COUNT(DISTINCT status) AS s, COUNT(DISTINCT url) AS u, COUNT(DISTINCT seconds) AS d, COUNT(DISTINCT status) FILTER (WHERE seconds > 0) AS positive
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '4' SECOND))
    GROUP BY window_start, window_end, host;
