-- function_pattern: texts and numbers to times, and times to texts, by patterns of letters.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW texts AS
    SELECT event_time, host, TO_TIMESTAMP(url) AS plain,
           TO_TIMESTAMP(url, 'yyyy-MM-dd''T''HH:mm:ss.SSS''Z''') AS training,
           TO_TIMESTAMP(url, 'yyyy-MM-dd') AS whole_days,
           TO_TIMESTAMP(url, 'd MMM yyyy') AS named,
           TO_TIMESTAMP(url, 'yyyyMMddHHmmssSSS') AS digits,
           TO_TIMESTAMP(url, 'yyyy-MM-dd[ HH:mm:ss][.SSSSSS]') AS sections,
           TO_TIMESTAMP_LTZ(url, 'yyyy-MM-dd HH:mm:ss') AS of_utc,
           TO_TIMESTAMP_LTZ(url, 'yyyy-MM-dd HH:mm:ss', 'America/Los_Angeles') AS of_place,
           DATE_FORMAT(url, 'yyyy/MM/dd HH:mm:ss EEE u') AS again,
           UNIX_TIMESTAMP(url) AS unix,
           UNIX_TIMESTAMP(url, 'yyyy-MM-dd') AS unix_days,
           CONVERT_TZ(url, 'America/Los_Angeles', 'Asia/Tokyo') AS elsewhere
    FROM events;
CREATE VIEW times AS
    SELECT event_time, host, DATE_FORMAT(CAST(event_time AS TIMESTAMP(3)), host) AS by_column,
           DATE_FORMAT(event_time, 'yyyy-MM-dd HH:mm:ss.SSS a') AS instant,
           DATE_FORMAT(CAST(event_time AS TIMESTAMP(3)), 'yy MMMM EEE DDD Q') AS wall,
           DATE_FORMAT(event_time, 'YYYY w W e F') AS by_week,
           FROM_UNIXTIME(amount) AS unix,
           FROM_UNIXTIME(amount, 'EEE yyyy/MM/dd hh a') AS unix_pattern
    FROM events;
CREATE VIEW numbers AS
    SELECT event_time, host, DATE_FORMAT(TO_TIMESTAMP_LTZ(amount, 0), 'uuuu/MM/dd HH:mm:ss.SSS') AS p0,
           DATE_FORMAT(TO_TIMESTAMP_LTZ(amount, 3), 'uuuu/MM/dd HH:mm:ss.SSS') AS p3,
           DATE_FORMAT(TO_TIMESTAMP_LTZ(amount), 'uuuu/MM/dd HH:mm:ss.SSS') AS plain_ms,
           DATE_FORMAT(TO_TIMESTAMP_LTZ(seconds, 0), 'uuuu/MM/dd HH:mm:ss.SSS') AS reals,
           DATE_FORMAT(TO_TIMESTAMP_LTZ(status, 0), 'uuuu/MM/dd HH:mm:ss.SSS') AS ints
    FROM events;
