-- first_last: FIRST_VALUE and LAST_VALUE of events in the order of time, without NULLs.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW v AS
    SELECT window_start, window_end, host, FIRST_VALUE(url) AS first, LAST_VALUE(url) AS last, FIRST_VALUE(status) AS s0, LAST_VALUE(status) AS s1, FIRST_VALUE(seconds) FILTER (WHERE status > 1) AS d0, LAST_VALUE(amount) FILTER (WHERE status > 1) AS b1
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
