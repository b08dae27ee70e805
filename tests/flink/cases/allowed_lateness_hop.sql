-- allowed_lateness_hop: late events join the windows that are kept, and only those.
-- in Flink: event_time - INTERVAL '0' SECOND => event_time - INTERVAL '3' SECOND
SET 'tally.allowed-lateness' = '3 s';
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '0' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW hits AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
