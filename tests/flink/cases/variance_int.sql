-- variance_int: STDDEV and VAR keep the type too: truncated.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW v AS
    SELECT window_start, window_end, host, STDDEV_POP(status) AS dp, STDDEV_SAMP(status) AS ds, VAR_POP(status) AS vp, VAR_SAMP(status) AS vs, VAR_POP(amount) AS bp, STDDEV_SAMP(amount) AS bs
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
