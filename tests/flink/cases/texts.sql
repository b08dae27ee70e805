-- texts: LIKE (semantics.md 11, case 23).
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW kept AS
    SELECT event_time, url, url LIKE 'a_b' AS single, url LIKE 'a%b' AS wild, url LIKE 'a%' AS small, url LIKE '100\%' AS slash, url LIKE '100!%' ESCAPE '!' AS bang
    FROM events;
