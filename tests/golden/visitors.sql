-- visitors: an id holds for one day of the event time (UTC) and is the same in both layers, whoever computes it and in what order.
-- shuffle 15000
CREATE TABLE events (
    ip STRING, ua STRING, host STRING, referrer STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW visitors AS
    SELECT window_start, window_end, VISITOR_ID(ip, ua, host) AS visitor, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '20' SECOND))
    GROUP BY window_start, window_end, VISITOR_ID(ip, ua, host);
CREATE VIEW people AS
    SELECT window_start, window_end, COUNT(DISTINCT VISITOR_ID(ip, ua, host)) AS people
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '20' SECOND))
    GROUP BY window_start, window_end;
CREATE VIEW sources AS SELECT ANONYMIZE_IP(ip) AS net, REFERRER_DOMAIN(referrer) AS domain FROM events;
