-- aggregates_deviation: VAR and STDDEV: of INT they are INT, cut toward zero; of one value POP is 0 and SAMP is NULL.
-- shuffle 15000
CREATE TABLE events (
    host STRING, x DOUBLE, v INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW tumbles AS
    SELECT window_start, window_end, host, VAR_POP(x) AS vp, VAR_SAMP(x) AS vs, STDDEV_POP(x) AS dp, STDDEV_SAMP(x) AS ds, VAR_POP(v) AS ivp, VAR_SAMP(v) AS ivs, STDDEV_POP(v) AS idp,
        STDDEV_POP(x) FILTER (WHERE x > 4) AS dpf, VAR_POP(DISTINCT x) AS vpd
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW hops AS
    SELECT window_start, window_end, host, VAR_POP(x) AS vp, VAR_SAMP(x) AS vs, STDDEV_POP(x) AS dp, STDDEV_SAMP(x) AS ds, VAR_POP(v) AS ivp, VAR_SAMP(v) AS ivs, STDDEV_POP(v) AS idp,
        STDDEV_POP(x) FILTER (WHERE x > 4) AS dpf, VAR_POP(DISTINCT x) AS vpd
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW steps AS
    SELECT window_start, window_end, host, VAR_POP(x) AS vp, VAR_SAMP(x) AS vs, STDDEV_POP(x) AS dp, STDDEV_SAMP(x) AS ds, VAR_POP(v) AS ivp, VAR_SAMP(v) AS ivs, STDDEV_POP(v) AS idp,
        STDDEV_POP(x) FILTER (WHERE x > 4) AS dpf, VAR_POP(DISTINCT x) AS vpd
    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW visits AS
    SELECT window_start, window_end, host, VAR_POP(x) AS vp, VAR_SAMP(x) AS vs, STDDEV_POP(x) AS dp, STDDEV_SAMP(x) AS ds, VAR_POP(v) AS ivp, VAR_SAMP(v) AS ivs, STDDEV_POP(v) AS idp,
        STDDEV_POP(x) FILTER (WHERE x > 4) AS dpf, VAR_POP(DISTINCT x) AS vpd
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '5' SECOND))
    GROUP BY window_start, window_end, host;
