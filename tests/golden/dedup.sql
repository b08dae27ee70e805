-- dedup: a second event with the id of the partition is a copy and not counted; with another time it is counted and flagged; none has no copy (semantics.md 10.1).
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hits AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end;
CREATE VIEW named AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE host IS NOT NULL
    GROUP BY window_start, window_end;
