-- shared_aggregates: the same aggregate several times, and expressions of aggregates.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW v AS
    SELECT window_start, window_end, host, COUNT(*) AS c, COUNT(*) * 2 AS c2, SUM(status) AS s, SUM(status + 1) AS s1, CASE WHEN COUNT(status) > 0 THEN SUM(status) / COUNT(status) END AS mean, SUM(seconds) / COUNT(*) AS ratio, MAX(status) - MIN(status) AS width, COUNT(*) FILTER (WHERE status > 1) * 100 / COUNT(*) AS part
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
