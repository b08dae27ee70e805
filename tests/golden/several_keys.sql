-- several_keys: keys are kept apart, whatever is at their edges; a key may be an expression; columns in the order in which they are asked for.
-- shuffle 15000
CREATE TABLE events (
    a STRING, b STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hits AS
    SELECT b, COUNT(*) AS hits, window_end, a, window_start
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY a, window_start, b, window_end;
CREATE TEMPORARY VIEW tens AS SELECT event_time, n / 10 AS ten FROM events;
CREATE VIEW by_ten AS
    SELECT window_start, window_end, ten, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE tens, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, ten;
