-- computed_time: the event time is computed from two columns.
CREATE TABLE events (
    host STRING, seen TIMESTAMP_LTZ(3), sent TIMESTAMP_LTZ(3),
    ts AS COALESCE(seen, sent),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW hits AS
    SELECT window_start, window_end, host, COUNT(*) AS hits, MIN(ts) AS earliest, MAX(sent) AS latest
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
