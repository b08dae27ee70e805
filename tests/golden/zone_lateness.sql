-- zone_lateness: the lateness is of instants: the hour that comes twice is open until its second end and so much longer.
SET 'table.local-time-zone' = 'America/Los_Angeles';
SET 'tally.allowed-lateness' = '10 min';
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '0' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hours AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR))
    GROUP BY window_start, window_end;
CREATE VIEW hops AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '30' MINUTE, INTERVAL '1' HOUR))
    GROUP BY window_start, window_end;
