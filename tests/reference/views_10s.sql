-- views_10s.sql: windows so short that thousands of the real log's requests are late for them: batch must equal access_log.sql all the same,
-- and every difference between the layers must be explained.
SET 'table.local-time-zone' = 'UTC';

CREATE TABLE events (
    event_id STRING, url STRING, referrer STRING, user_agent STRING, headers STRING,
    host STRING, ip STRING, event_time TIMESTAMP_LTZ(3),
    `method` STRING, status INT, `bytes` BIGINT,
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',
        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.idle-timeout' = '30 s');

CREATE VIEW hits_10s AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end;

CREATE VIEW by_status_10s AS
    SELECT window_start, window_end, status, COUNT(*) AS hits, SUM(`bytes`) AS bytes_sum
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, status;
