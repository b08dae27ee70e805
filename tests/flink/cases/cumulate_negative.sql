-- cumulate_negative: before 1970.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '3' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW hits AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '4' SECOND, INTERVAL '12' SECOND))
    GROUP BY window_start, window_end, host;
