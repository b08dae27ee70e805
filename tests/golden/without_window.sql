-- without_window: a row for each event, also for two that are alike; nothing is late.
-- shuffle 15000
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '0' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW raw AS SELECT host, n + 1 AS more, event_time FROM events WHERE n > 0;
