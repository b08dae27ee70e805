-- zone_half_hour: hours and days of a zone half an hour off (Asia/Kolkata; Flink loses rows there: FLINK-38075).
-- shuffle 5400000
SET 'table.local-time-zone' = 'Asia/Kolkata';
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '90' MINUTE
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hours AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR))
    GROUP BY window_start, window_end;
CREATE VIEW days AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' DAY))
    GROUP BY window_start, window_end;
