-- function_unit_half_hour: a clock that changes by half an hour.
SET 'table.local-time-zone' = 'Australia/Lord_Howe';
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW bounds AS
    SELECT event_time, host, FLOOR(event_time TO MILLISECOND) AS floor_millisecond,
           FLOOR(event_time TO SECOND) AS floor_second,
           FLOOR(event_time TO MINUTE) AS floor_minute,
           FLOOR(event_time TO HOUR) AS floor_hour,
           FLOOR(event_time TO DAY) AS floor_day,
           FLOOR(event_time TO WEEK) AS floor_week,
           FLOOR(event_time TO MONTH) AS floor_month,
           FLOOR(event_time TO QUARTER) AS floor_quarter,
           FLOOR(event_time TO YEAR) AS floor_year,
           FLOOR(event_time TO DECADE) AS floor_decade,
           FLOOR(event_time TO CENTURY) AS floor_century,
           FLOOR(event_time TO MILLENNIUM) AS floor_millennium,
           CEIL(event_time TO MILLISECOND) AS ceil_millisecond,
           CEIL(event_time TO SECOND) AS ceil_second,
           CEIL(event_time TO MINUTE) AS ceil_minute,
           CEIL(event_time TO HOUR) AS ceil_hour,
           CEIL(event_time TO DAY) AS ceil_day,
           CEIL(event_time TO WEEK) AS ceil_week,
           DATE_FORMAT(CEIL(event_time TO MONTH), 'yyyy/MM/dd HH:mm') AS ceil_month,
           DATE_FORMAT(CEIL(event_time TO QUARTER), 'yyyy/MM/dd HH:mm') AS ceil_quarter,
           DATE_FORMAT(CEIL(event_time TO YEAR), 'yyyy/MM/dd HH:mm') AS ceil_year,
           DATE_FORMAT(CEIL(event_time TO DECADE), 'yyyy/MM/dd HH:mm') AS ceil_decade,
           DATE_FORMAT(CEIL(event_time TO CENTURY), 'yyyy/MM/dd HH:mm') AS ceil_century,
           DATE_FORMAT(CEIL(event_time TO MILLENNIUM), 'yyyy/MM/dd HH:mm') AS ceil_millennium
    FROM events;
CREATE VIEW parts AS
    SELECT event_time, host, EXTRACT(NANOSECOND FROM event_time) AS x_nanosecond,
           EXTRACT(MICROSECOND FROM event_time) AS x_microsecond,
           EXTRACT(MILLISECOND FROM event_time) AS x_millisecond,
           EXTRACT(SECOND FROM event_time) AS x_second,
           EXTRACT(MINUTE FROM event_time) AS x_minute,
           EXTRACT(HOUR FROM event_time) AS x_hour,
           EXTRACT(DAY FROM event_time) AS x_day,
           EXTRACT(WEEK FROM event_time) AS x_week,
           EXTRACT(MONTH FROM event_time) AS x_month,
           EXTRACT(QUARTER FROM event_time) AS x_quarter,
           EXTRACT(YEAR FROM event_time) AS x_year,
           EXTRACT(DECADE FROM event_time) AS x_decade,
           EXTRACT(CENTURY FROM event_time) AS x_century,
           EXTRACT(MILLENNIUM FROM event_time) AS x_millennium,
           EXTRACT(EPOCH FROM event_time) AS x_epoch,
           EXTRACT(DOW FROM event_time) AS x_dow,
           EXTRACT(ISODOW FROM event_time) AS x_isodow,
           EXTRACT(DOY FROM event_time) AS x_doy,
           EXTRACT(ISOYEAR FROM event_time) AS x_isoyear,
           YEAR(event_time) AS s_year,
           QUARTER(event_time) AS s_quarter,
           MONTH(event_time) AS s_month,
           WEEK(event_time) AS s_week,
           DAYOFYEAR(event_time) AS s_dayofyear,
           DAYOFMONTH(event_time) AS s_dayofmonth,
           DAYOFWEEK(event_time) AS s_dayofweek,
           HOUR(event_time) AS s_hour,
           MINUTE(event_time) AS s_minute,
           SECOND(event_time) AS s_second
    FROM events;
CREATE VIEW texts AS
    SELECT event_time, host, DATE_FORMAT(event_time, 'yyyy-MM-dd HH:mm:ss.SSS EEEE') AS text,
           FROM_UNIXTIME(EXTRACT(EPOCH FROM CAST(event_time AS TIMESTAMP(3)))) AS shown,
           UNIX_TIMESTAMP(DATE_FORMAT(event_time, 'yyyy-MM-dd HH:mm:ss')) AS read_again
    FROM events;
