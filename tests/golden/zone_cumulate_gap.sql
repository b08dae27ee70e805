-- zone_cumulate_gap: CUMULATE over the hour that never comes: steps of nothing but the gap have the row of the step before, and are none.
-- shuffle 3600000
SET 'table.local-time-zone' = 'America/Los_Angeles';
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '1' HOUR
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW steps AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '30' MINUTE, INTERVAL '4' HOUR))
    GROUP BY window_start, window_end;
CREATE VIEW wide AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '90' MINUTE, INTERVAL '3' HOUR, INTERVAL '-60' MINUTE))
    GROUP BY window_start, window_end;
