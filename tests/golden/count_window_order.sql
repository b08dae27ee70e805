-- count_window_order: the order is that of event time, not of arrival.
-- shuffle 60000
CREATE TABLE events (
    host STRING, s STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '1' MINUTE
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW threes AS
    SELECT window_start, window_end, host, closed_by, LISTAGG(s) AS path, FIRST_VALUE(s) AS first_s, LAST_VALUE(s) AS last_s
    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 3, INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, host, closed_by;
