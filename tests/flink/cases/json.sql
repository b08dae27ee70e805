-- json: an array is as many events as it has objects; objects and numbers become texts (semantics.md 11, case 22).
CREATE TABLE events (
    host STRING, url STRING, status INT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event', 'json.ignore-parse-errors' = 'true');
CREATE VIEW v AS
    SELECT window_start, window_end, host, COUNT(*) AS hits, SUM(status) AS s, MIN(url) AS u, SUM(seconds) AS d
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
