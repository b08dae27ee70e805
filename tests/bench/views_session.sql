-- views_session.sql: visits: requests of an address to a host, each within 5 minutes of the one before.
SET 'table.local-time-zone' = 'UTC';
SET 'tally.dedup.key' = '';

CREATE TABLE events (
    event_id STRING, url STRING, referrer STRING, user_agent STRING, headers STRING,
    host STRING, ip STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',
        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.idle-timeout' = '30 s');

CREATE VIEW visits AS
    SELECT window_start, window_end, ip, host, COUNT(*) AS num_hits
    FROM TABLE(SESSION(TABLE events PARTITION BY (ip, host), DESCRIPTOR(event_time), INTERVAL '5' MINUTE))
    GROUP BY window_start, window_end, ip, host;
