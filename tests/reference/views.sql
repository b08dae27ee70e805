-- views.sql: the views that access_log.sql computes a second time with the sqlite3 shell, on the real access log.
-- Its requests are up to 59 s out of order, but lie in minute :05 of their hours: nothing is late for these windows.
SET 'table.local-time-zone' = 'UTC';

CREATE TABLE events (
    event_id STRING, url STRING, referrer STRING, user_agent STRING, headers STRING,
    host STRING, ip STRING, event_time TIMESTAMP_LTZ(3),
    `method` STRING, status INT, `bytes` BIGINT,
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',
        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.idle-timeout' = '30 s');

CREATE VIEW hits_5m AS
    SELECT window_start, window_end, COUNT(*) AS hits, COUNT(`bytes`) AS hits_with_bytes,
           SUM(`bytes`) AS bytes_sum, MIN(`bytes`) AS bytes_min, MAX(`bytes`) AS bytes_max, AVG(`bytes`) AS bytes_avg
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' MINUTE))
    GROUP BY window_start, window_end;

CREATE VIEW hits_by_ip_5m AS
    SELECT window_start, window_end, ip, COUNT(*) AS hits, SUM(`bytes`) AS bytes_sum
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' MINUTE))
    GROUP BY window_start, window_end, ip;

CREATE TEMPORARY VIEW files AS
    SELECT * FROM events WHERE url LIKE '/files/%' AND status BETWEEN 200 AND 299;

CREATE VIEW files_by_method_1d AS
    SELECT window_start, window_end, `method`, COUNT(*) AS downloads, SUM(`bytes`) AS bytes_sum, MAX(`bytes`) AS largest
    FROM TABLE(TUMBLE(TABLE files, DESCRIPTOR(event_time), INTERVAL '1' DAY))
    GROUP BY window_start, window_end, `method`;

CREATE TEMPORARY VIEW sorted_out AS
    SELECT url, event_time,
           CASE WHEN status >= 500 THEN 'broken' WHEN status >= 400 THEN 'refused' WHEN status >= 300 THEN 'elsewhere'
                ELSE 'fine' END AS kind
    FROM events;

CREATE VIEW kind_by_url_1h AS
    SELECT url, kind, window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE sorted_out, DESCRIPTOR(event_time), INTERVAL '1' HOUR))
    GROUP BY window_start, window_end, url, kind;

CREATE VIEW errors AS
    SELECT event_time, ip, `method`, url, status FROM events WHERE status >= 400;
