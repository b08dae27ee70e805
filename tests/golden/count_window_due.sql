-- count_window_due: a row that comes to an open window is released by the watermark, and not only when the window's time is out.
CREATE TABLE events (
    host STRING, event_time TIMESTAMP(3), WATERMARK FOR event_time AS event_time
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW pairs AS
    SELECT window_start AS s, window_end AS e, host, COUNT(*) AS hits
    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 2, INTERVAL '1' HOUR))
    GROUP BY window_start, window_end, host;
