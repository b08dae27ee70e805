-- negative_times: windows before 1970 begin on multiples too, the end is exclusive (semantics.md 11, cases 1 and 2).
-- shuffle 30000
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '30' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hits AS
    SELECT window_start, window_end, window_time, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND))
    GROUP BY window_start, window_end, window_time;
