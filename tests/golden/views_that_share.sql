-- views_that_share: views over one source with equal and unequal filters, windows and aggregates: each as if it were alone.
-- shuffle 15000
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW a AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE n > 0
    GROUP BY window_start, window_end, host;
CREATE VIEW b AS
    SELECT window_start, window_end, host, SUM(n) AS s
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE n > 0
    GROUP BY window_start, window_end, host;
CREATE VIEW c AS
    SELECT window_start, window_end, host, SUM(n) AS s, COUNT(n) AS c
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE n > 1
    GROUP BY window_start, window_end, host;
CREATE VIEW d AS
    SELECT window_start, window_end, MAX(n) AS m
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '20' SECOND))
    WHERE n > 0
    GROUP BY window_start, window_end;
CREATE VIEW e AS
    SELECT window_start, window_end, AVG(n) AS m, SUM(n) AS s, COUNT(n) AS c
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
    WHERE n > 0
    GROUP BY window_start, window_end;
CREATE VIEW f AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE n > 0 AND host <> 'b'
    GROUP BY window_start, window_end, host;
CREATE VIEW g AS SELECT host, n FROM events WHERE n > 1;
