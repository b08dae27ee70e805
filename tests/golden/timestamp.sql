-- timestamp: TIMESTAMP in ISO-8601 has no zone: a Z is bad, so is an offset; a day that the month has not is bad (semantics.md 9.1).
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hits AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end;
