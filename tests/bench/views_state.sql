-- views_state.sql: what keeps much state: open sessions, exact and approximate distinct counts.
SET 'table.local-time-zone' = 'UTC';
SET 'tally.dedup.key' = '';

CREATE TABLE events (
    host STRING, ip STRING, number BIGINT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',
        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.idle-timeout' = '30 s');

CREATE VIEW visits AS
    SELECT window_start, window_end, ip, host, COUNT(*) AS num_hits
    FROM TABLE(SESSION(TABLE events PARTITION BY (ip, host), DESCRIPTOR(event_time), INTERVAL '5' MINUTE))
    GROUP BY window_start, window_end, ip, host;

CREATE VIEW exact AS
    SELECT window_start, window_end, COUNT(DISTINCT number) AS numbers
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' DAY))
    GROUP BY window_start, window_end;

CREATE VIEW approximate AS
    SELECT window_start, window_end, APPROX_COUNT_DISTINCT(number) AS numbers
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' DAY))
    GROUP BY window_start, window_end;
