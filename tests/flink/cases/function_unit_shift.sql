-- function_unit_shift: TIMESTAMPADD and TIMESTAMPDIFF by columns.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW added AS
    SELECT event_time, host, DATE_FORMAT(TIMESTAMPADD(SECOND, status, CAST(event_time AS TIMESTAMP(3))), 'uuuu/MM/dd HH:mm:ss.SSS') AS add_second,
           DATE_FORMAT(TIMESTAMPADD(MINUTE, status, CAST(event_time AS TIMESTAMP(3))), 'uuuu/MM/dd HH:mm:ss.SSS') AS add_minute,
           DATE_FORMAT(TIMESTAMPADD(HOUR, status, CAST(event_time AS TIMESTAMP(3))), 'uuuu/MM/dd HH:mm:ss.SSS') AS add_hour,
           DATE_FORMAT(TIMESTAMPADD(DAY, status, CAST(event_time AS TIMESTAMP(3))), 'uuuu/MM/dd HH:mm:ss.SSS') AS add_day,
           DATE_FORMAT(TIMESTAMPADD(WEEK, status, CAST(event_time AS TIMESTAMP(3))), 'uuuu/MM/dd HH:mm:ss.SSS') AS add_week,
           DATE_FORMAT(TIMESTAMPADD(MONTH, status, CAST(event_time AS TIMESTAMP(3))), 'uuuu/MM/dd HH:mm:ss.SSS') AS add_month,
           DATE_FORMAT(TIMESTAMPADD(QUARTER, status, CAST(event_time AS TIMESTAMP(3))), 'uuuu/MM/dd HH:mm:ss.SSS') AS add_quarter,
           DATE_FORMAT(TIMESTAMPADD(YEAR, status, CAST(event_time AS TIMESTAMP(3))), 'uuuu/MM/dd HH:mm:ss.SSS') AS add_year,
           DATE_FORMAT(TIMESTAMPADD(DECADE, status, CAST(event_time AS TIMESTAMP(3))), 'uuuu/MM/dd HH:mm:ss.SSS') AS add_decade,
           DATE_FORMAT(TIMESTAMPADD(MILLISECOND, amount, event_time), 'uuuu/MM/dd HH:mm:ss.SSS') AS instant_millisecond,
           DATE_FORMAT(TIMESTAMPADD(DAY, amount, event_time), 'uuuu/MM/dd HH:mm:ss.SSS') AS instant_day,
           DATE_FORMAT(TIMESTAMPADD(MONTH, amount, event_time), 'uuuu/MM/dd HH:mm:ss.SSS') AS instant_month
    FROM events;
CREATE VIEW between_two AS
    SELECT event_time, host, TIMESTAMPDIFF(SECOND, CAST(event_time AS TIMESTAMP(3)), TIMESTAMPADD(DAY, amount, TIMESTAMP '2000-01-31 12:00:00')) AS d_second,
           TIMESTAMPDIFF(MINUTE, CAST(event_time AS TIMESTAMP(3)), TIMESTAMPADD(DAY, amount, TIMESTAMP '2000-01-31 12:00:00')) AS d_minute,
           TIMESTAMPDIFF(HOUR, CAST(event_time AS TIMESTAMP(3)), TIMESTAMPADD(DAY, amount, TIMESTAMP '2000-01-31 12:00:00')) AS d_hour,
           TIMESTAMPDIFF(DAY, CAST(event_time AS TIMESTAMP(3)), TIMESTAMPADD(DAY, amount, TIMESTAMP '2000-01-31 12:00:00')) AS d_day,
           TIMESTAMPDIFF(WEEK, CAST(event_time AS TIMESTAMP(3)), TIMESTAMPADD(DAY, amount, TIMESTAMP '2000-01-31 12:00:00')) AS d_week,
           TIMESTAMPDIFF(MONTH, CAST(event_time AS TIMESTAMP(3)), TIMESTAMPADD(DAY, amount, TIMESTAMP '2000-01-31 12:00:00')) AS d_month,
           TIMESTAMPDIFF(QUARTER, CAST(event_time AS TIMESTAMP(3)), TIMESTAMPADD(DAY, amount, TIMESTAMP '2000-01-31 12:00:00')) AS d_quarter,
           TIMESTAMPDIFF(YEAR, CAST(event_time AS TIMESTAMP(3)), TIMESTAMPADD(DAY, amount, TIMESTAMP '2000-01-31 12:00:00')) AS d_year,
           TIMESTAMPDIFF(SECOND, event_time, TO_TIMESTAMP_LTZ(amount, 0)) AS i_second,
           TIMESTAMPDIFF(DAY, event_time, TO_TIMESTAMP_LTZ(amount, 0)) AS i_day,
           TIMESTAMPDIFF(MONTH, event_time, TO_TIMESTAMP_LTZ(amount, 0)) AS i_month
    FROM events;
