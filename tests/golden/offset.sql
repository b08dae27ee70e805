-- offset: TUMBLE 10 min with offset +4 min and -6 min are the same windows (semantics.md 11, case 3).
-- shuffle 660000
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '11' MINUTE
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW plus AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' MINUTE, INTERVAL '4' MINUTE))
    GROUP BY window_start, window_end;
CREATE VIEW minus AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' MINUTE, INTERVAL '-6' MINUTE))
    GROUP BY window_start, window_end;
