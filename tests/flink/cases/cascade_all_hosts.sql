-- cascade_all_hosts: the outer view drops the key.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW small AS
    SELECT window_start AS part_start, window_end AS part_end, window_time AS part_time, host, COUNT(*) AS hits, SUM(amount) AS amount
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, window_time, host;
CREATE VIEW big AS
    SELECT window_start, window_end, SUM(hits) AS hits, MAX(hits) AS most, COUNT(DISTINCT host) AS hosts
    FROM TABLE(TUMBLE(TABLE small, DESCRIPTOR(part_time), INTERVAL '30' SECOND))
    GROUP BY window_start, window_end;
