-- rows: a view without a window has a row for each event.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW kept AS SELECT event_time, host, status + 1 AS more, COALESCE(url, '-') AS url, CASE WHEN status > 2 THEN 'big' END AS size FROM events WHERE host IS NOT NULL;
