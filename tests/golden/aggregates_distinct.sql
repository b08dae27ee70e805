-- aggregates_distinct: DISTINCT and FILTER: NULL is no value, and a condition that is not TRUE counts nothing.
-- shuffle 15000
CREATE TABLE events (
    host STRING, v INT, ok BOOLEAN, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW tumbles AS
    SELECT window_start, window_end, host, COUNT(DISTINCT v) AS cd, SUM(DISTINCT v) AS sd, AVG(DISTINCT v) AS ad, COUNT(DISTINCT v) FILTER (WHERE ok) AS cdf, SUM(v) FILTER (WHERE ok) AS sf,
        COUNT(*) FILTER (WHERE ok) AS cf, COUNT(*) FILTER (WHERE v > 5) AS c0, SUM(v) FILTER (WHERE v > 5) AS s0, MIN(v) FILTER (WHERE NOT ok) AS mf
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW hops AS
    SELECT window_start, window_end, host, COUNT(DISTINCT v) AS cd, SUM(DISTINCT v) AS sd, AVG(DISTINCT v) AS ad, COUNT(DISTINCT v) FILTER (WHERE ok) AS cdf, SUM(v) FILTER (WHERE ok) AS sf,
        COUNT(*) FILTER (WHERE ok) AS cf, COUNT(*) FILTER (WHERE v > 5) AS c0, SUM(v) FILTER (WHERE v > 5) AS s0, MIN(v) FILTER (WHERE NOT ok) AS mf
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW steps AS
    SELECT window_start, window_end, host, COUNT(DISTINCT v) AS cd, SUM(DISTINCT v) AS sd, AVG(DISTINCT v) AS ad, COUNT(DISTINCT v) FILTER (WHERE ok) AS cdf, SUM(v) FILTER (WHERE ok) AS sf,
        COUNT(*) FILTER (WHERE ok) AS cf, COUNT(*) FILTER (WHERE v > 5) AS c0, SUM(v) FILTER (WHERE v > 5) AS s0, MIN(v) FILTER (WHERE NOT ok) AS mf
    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW visits AS
    SELECT window_start, window_end, host, COUNT(DISTINCT v) AS cd, SUM(DISTINCT v) AS sd, AVG(DISTINCT v) AS ad, COUNT(DISTINCT v) FILTER (WHERE ok) AS cdf, SUM(v) FILTER (WHERE ok) AS sf,
        COUNT(*) FILTER (WHERE ok) AS cf, COUNT(*) FILTER (WHERE v > 5) AS c0, SUM(v) FILTER (WHERE v > 5) AS s0, MIN(v) FILTER (WHERE NOT ok) AS mf
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '5' SECOND))
    GROUP BY window_start, window_end, host;
