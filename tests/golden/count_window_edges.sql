-- count_window_edges: a row at exactly first + time-out opens the next window; six rows of one millisecond are two windows alike.
-- shuffle 30000
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '30' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW fives AS
    SELECT window_start, window_end, host, closed_by, COUNT(*) AS hits
    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 5, INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host, closed_by;
CREATE VIEW threes AS
    SELECT window_start, window_end, host, closed_by, COUNT(*) AS hits
    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 3, INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host, closed_by;
