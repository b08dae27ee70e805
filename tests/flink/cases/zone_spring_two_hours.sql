-- zone_spring_two_hours: the watermark is at the last millisecond of a window, and the next one loses an hour.
-- deviates: Flink's operator waits for two hours then, while the window of one fires, and drops the rows that it holds of it
SET 'table.local-time-zone' = 'America/Los_Angeles';
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '0' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW hits AS
    SELECT window_start, window_end, COUNT(*) AS hits, MAX(url) AS url
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '2' HOUR))
    GROUP BY window_start, window_end;
