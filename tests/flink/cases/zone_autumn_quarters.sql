-- zone_autumn_quarters: the watermark passes a window's end in the hour's first showing and goes on, and the window fires in the second.
-- deviates: Flink's operator takes the end after the passed one for the next that fires, and then drops the rows that it holds of the passed one.
SET 'table.local-time-zone' = 'America/Los_Angeles';
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '0' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW hits AS
    SELECT window_start, window_end, COUNT(*) AS hits, MAX(url) AS url
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '15' MINUTE))
    GROUP BY window_start, window_end;
