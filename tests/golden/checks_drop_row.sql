-- Row checks of every kind beside views of every kind: a filter that hides what a check would drop, a column that no view reads.
SET 'tally.dedup.key' = 'id';
CREATE TABLE events (id STRING, host STRING, n INT, code STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '30' SECOND)
    WITH ('topic' = 'events', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS c, SUM(10 / n) AS q
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, host;
CREATE VIEW named AS SELECT host, n FROM events WHERE host IS NOT NULL;
CREATE VIEW visits AS SELECT window_start, window_end, n, COUNT(*) AS c
    FROM TABLE(SESSION(TABLE events PARTITION BY n, DESCRIPTOR(event_time), INTERVAL '3' SECOND))
    GROUP BY window_start, window_end, n;
CREATE VIEW busy AS SELECT window_start, window_end, MAX(c) AS best FROM hits GROUP BY window_start, window_end;
