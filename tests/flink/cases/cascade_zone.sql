-- cascade_zone: days of hours in a zone.
SET 'table.local-time-zone' = 'America/Los_Angeles';
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '1' MINUTE
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW hours AS
    SELECT window_start AS part_start, window_end AS part_end, window_time AS part_time, host, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR))
    GROUP BY window_start, window_end, window_time, host;
CREATE VIEW days AS
    SELECT window_start, window_end, host, SUM(hits) AS hits, COUNT(*) AS parts
    FROM TABLE(TUMBLE(TABLE hours, DESCRIPTOR(part_time), INTERVAL '1' DAY))
    GROUP BY window_start, window_end, host;
