-- future_events: more than five minutes ahead of the log: not counted by either layer, and the watermark stays (semantics.md 3.9).
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hits AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end;
