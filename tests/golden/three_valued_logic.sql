-- three_valued_logic: unknown is neither true nor false: WHERE keeps what is true (semantics.md 7).
-- shuffle 15000
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW either AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE n > 1 OR host = 'a'
    GROUP BY window_start, window_end;
CREATE VIEW both AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE n > 1 AND host = 'a'
    GROUP BY window_start, window_end;
CREATE VIEW neither AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE NOT (n > 1 OR host = 'a')
    GROUP BY window_start, window_end;
CREATE VIEW not_both AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE NOT (n > 1 AND host = 'a')
    GROUP BY window_start, window_end;
CREATE VIEW absent AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE n IS NULL AND host IS NOT NULL
    GROUP BY window_start, window_end;
