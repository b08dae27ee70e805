-- count_window: three rows, or what a minute brought (semantics.md 11, case 25); what comes after its turn is late.
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '0' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW threes AS
    SELECT window_start, window_end, host, closed_by, COUNT(*) AS hits
    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 3, INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, host, closed_by;
