-- session_two_keys: two columns of PARTITION BY.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW sessions AS
    SELECT window_start, window_end, host, ip, COUNT(*) AS hits, SUM(amount) AS amount
    FROM TABLE(SESSION(TABLE events PARTITION BY (host, ip), DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host, ip;
