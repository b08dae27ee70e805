-- views.sql: what the demo counts. Apache Flink reads this file too: the 'tally.' settings and the functions are all that is ours.
SET 'table.local-time-zone' = 'UTC';

CREATE TABLE events (
    event_id STRING, url STRING, referrer STRING, user_agent STRING, headers STRING,
    host STRING, ip STRING, event_time TIMESTAMP_LTZ(3),
    status INT, `bytes` BIGINT,
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',
        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.idle-timeout' = '30 s');

-- What people look at: pages without their images and scripts, and without crawlers.
CREATE TEMPORARY VIEW pages AS
    SELECT * FROM events
    WHERE NOT IS_FILE_REQUEST(url) AND LOWER(user_agent) NOT LIKE '%bot%' AND user_agent NOT LIKE 'UptimeProbe%';

CREATE VIEW page_views_5m AS
    SELECT window_start, window_end, host, COUNT(*) AS page_views
    FROM TABLE(TUMBLE(TABLE pages, DESCRIPTOR(event_time), INTERVAL '5' MINUTE))
    GROUP BY window_start, window_end, host;

CREATE VIEW traffic_1h AS
    SELECT window_start, window_end, COUNT(*) AS requests, SUM(`bytes`) AS bytes_sent, MAX(`bytes`) AS largest
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR))
    GROUP BY window_start, window_end;
