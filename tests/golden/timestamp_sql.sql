-- timestamp_sql: SQL times are clamped as Java does it, and flagged (semantics.md 8 and 9.1).
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'SQL');
CREATE VIEW hits AS
    SELECT window_start, window_end, event_id, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' DAY))
    GROUP BY window_start, window_end, event_id;
