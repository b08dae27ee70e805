-- where_and_case: a filter and a projection before the window.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE TEMPORARY VIEW pages AS SELECT host, event_time, CASE WHEN status >= 500 THEN 'bad' WHEN status >= 400 THEN 'wrong' ELSE 'good' END AS kind, amount FROM events WHERE url LIKE '/page/%' AND NOT status = 304;
CREATE VIEW kinds AS
    SELECT window_start, window_end, kind, COUNT(*) AS hits, SUM(amount) AS amount
    FROM TABLE(TUMBLE(TABLE pages, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, kind;
