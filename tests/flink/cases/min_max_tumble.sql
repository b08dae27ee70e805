-- min_max_tumble: min max over tumble, with NULLs, filters and groups that have none.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW v AS
    SELECT window_start, window_end, host, MIN(status) AS s0, MAX(status) AS s1, MIN(amount) AS b0, MAX(amount) AS b1, MIN(seconds) AS d0, MAX(seconds) AS d1, MIN(url) AS u0, MAX(url) AS u1, MIN(event_time) AS t0, MAX(event_time) AS t1, MIN(status) FILTER (WHERE status > 1) AS big, MAX(DISTINCT url) AS u2
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
