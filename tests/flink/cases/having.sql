-- having: groups that HAVING keeps; it may use aggregates that are not selected.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW few AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host
    HAVING COUNT(*) > 1;
CREATE VIEW many AS
    SELECT window_start, window_end, host, SUM(amount) AS amount
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host
    HAVING MAX(status) < 8 AND COUNT(*) FILTER (WHERE status > 1) >= 1;
CREATE VIEW keyed AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host
    HAVING host <> 'a' OR host IS NULL;
