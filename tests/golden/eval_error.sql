-- eval_error: an expression that fails rejects its row in that view alone, with a line in the ledger (semantics.md 7).
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW shares AS
    SELECT window_start, window_end, SUM(100 / n) AS share, COUNT(*) AS c
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end;
CREATE VIEW hits AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end;
CREATE VIEW guarded AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE n <> 0 AND 100 / n > 10
    GROUP BY window_start, window_end;
