-- zone_fold: HOP, CUMULATE and SESSION over the hour that comes twice: windows lie on the wall clock.
-- shuffle 3600000
SET 'table.local-time-zone' = 'America/Los_Angeles';
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '1' HOUR
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hops AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '30' MINUTE, INTERVAL '1' HOUR))
    GROUP BY window_start, window_end;
CREATE VIEW steps AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '30' MINUTE, INTERVAL '2' HOUR))
    GROUP BY window_start, window_end;
CREATE VIEW visits AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '20' MINUTE))
    GROUP BY window_start, window_end, host;
