-- count_window_lateness: with allowed lateness rows wait for their turn by so much longer.
SET 'tally.allowed-lateness' = '5 s';
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '0' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW twos AS
    SELECT window_start, window_end, host, closed_by, SUM(n) AS s
    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 2, INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, host, closed_by;
