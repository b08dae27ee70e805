-- having_in_order: HAVING, event by event: what the next window to fire shows, and what late rows hide again.
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '0' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hops AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host
    HAVING COUNT(*) < 2;
SET 'tally.allowed-lateness' = '1 min';
CREATE VIEW late AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host
    HAVING COUNT(*) < 2;
CREATE VIEW late_hops AS
    SELECT window_start, window_end, host, COUNT(*) AS hits
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host
    HAVING COUNT(*) < 2;
