-- aggregates_text: text is compared byte by byte: B before a, a before "a ", no padding (semantics.md 7).
-- shuffle 15000
CREATE TABLE events (
    host STRING, s STRING, ok BOOLEAN, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW ends AS
    SELECT window_start, window_end, host, MIN(s) AS lo, MAX(s) AS hi, COUNT(s) AS c, MIN(event_time) AS first_time, MAX(event_time) AS last_time
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
