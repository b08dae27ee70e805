-- temporary_views: views between the table and the window.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE TEMPORARY VIEW named AS SELECT host, amount AS b, event_time AS moment FROM events;
CREATE TEMPORARY VIEW big AS SELECT host AS who, b * 2 AS twice, moment FROM named WHERE b > 3;
CREATE VIEW v AS
    SELECT window_start, window_end, who, SUM(twice) AS twice
    FROM TABLE(TUMBLE(TABLE big, DESCRIPTOR(moment), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, who;
