SET 'table.local-time-zone' = 'UTC';
CREATE TABLE events (
    event_id STRING, url STRING, referrer STRING, user_agent STRING, headers STRING,
    host STRING, ip STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',
        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.idle-timeout' = '30 s');
CREATE TEMPORARY VIEW pages AS SELECT * FROM events WHERE NOT IS_FILE_REQUEST(url);
CREATE VIEW hits_5m AS
    SELECT window_start, window_end, host, COUNT(*) AS num_hits
    FROM TABLE(TUMBLE(TABLE pages, DESCRIPTOR(event_time), INTERVAL '5' MINUTE))
    GROUP BY window_start, window_end, host;
CREATE VIEW m AS SELECT window_start, window_end, lower(host) h, sum(case when url like '/a%' then 1 end)+count(*)*2 as c
    FROM TUMBLE(DATA => TABLE pages, TIMECOL => DESCRIPTOR(event_time), SIZE => INTERVAL '1' DAY, `OFFSET` => INTERVAL '1' hours)
    WHERE ip not in ('1','2') and event_time between cast(timestamp '2024-01-01 00:00:00' + interval '1' day as timestamp_ltz(3)) and null
    GROUP BY window_start, window_end, LOWER(host)
