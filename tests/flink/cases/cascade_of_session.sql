-- cascade_of_session: a window over sessions: by their ends.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW visits AS
    SELECT window_start AS part_start, window_end AS part_end, window_time AS part_time, host, COUNT(*) AS hits
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, window_time, host;
CREATE VIEW big AS
    SELECT window_start, window_end, COUNT(*) AS visits, SUM(hits) AS hits, MAX(hits) AS longest
    FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(part_time), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end;
