-- hop_lateness_restart: a key whose windows have all fired and are not final is let be at a restart; a late row and one of a later window come to it.
SET 'tally.allowed-lateness' = '60 s';
CREATE TABLE events (
    host STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hits AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
    GROUP BY window_start, window_end, host;
