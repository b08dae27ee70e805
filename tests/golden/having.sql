-- having: groups that HAVING hides have no row, in any kind of window; one that has grown past it goes again.
-- shuffle 30000
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '30' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW few AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host
    HAVING COUNT(*) < 3;
CREATE VIEW many AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host
    HAVING COUNT(*) >= 3 AND MAX(n) > 0;
CREATE VIEW hops AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host
    HAVING COUNT(*) < 3;
CREATE VIEW visits AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '5' SECOND))
    GROUP BY window_start, window_end, host
    HAVING COUNT(*) < 3;
CREATE VIEW pairs AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 2, INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host
    HAVING SUM(n) > 1;
