-- filter_null: a condition that is NULL does not count.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW v AS
    SELECT window_start, window_end, COUNT(*) FILTER (WHERE status > 1) AS a, COUNT(*) FILTER (WHERE NOT status > 1) AS b, COUNT(*) FILTER (WHERE status IS NULL) AS c, SUM(amount) FILTER (WHERE url LIKE '/x%' OR status = 5) AS d
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end;
