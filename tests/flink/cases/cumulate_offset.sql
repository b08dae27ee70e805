-- cumulate_offset: an offset moves window and steps.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '3' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW later AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '20' SECOND, INTERVAL '3' SECOND))
    GROUP BY window_start, window_end;
CREATE VIEW earlier AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '20' SECOND, INTERVAL '-2' SECOND))
    GROUP BY window_start, window_end;
