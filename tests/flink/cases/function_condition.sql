-- function_condition: IF, NULLIF, IFNULL, COALESCE, TRY_CAST over columns: kinds that meet, NULL conditions, texts that do not read.
CREATE TABLE events (
    n INT, big BIGINT, d DOUBLE, ok BOOLEAN, host STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW conditions AS
    SELECT event_time, IF(ok, n, 0) AS i1, IF(n > 5, host, 'few') AS i2, IF(ok, n, big) AS i3, IF(ok, n, d) AS i4, NULLIF(n, 7) AS n1, NULLIF(n, big) AS n2,
           NULLIF(big, n) AS n3, NULLIF(n, d) AS n4, NULLIF(host, '-') AS n5, IFNULL(n, big) AS f1, IFNULL(host, 'none') AS f2, COALESCE(n, big, d) AS c
    FROM events;
CREATE VIEW reads AS
    SELECT event_time, TRY_CAST(host AS TINYINT) AS t1, TRY_CAST(host AS SMALLINT) AS t2, TRY_CAST(host AS INT) AS t3, TRY_CAST(host AS BIGINT) AS t4,
           TRY_CAST(host AS FLOAT) AS t5, TRY_CAST(host AS DOUBLE) AS t6, TRY_CAST(host AS BOOLEAN) AS t7, TRY_CAST(host AS TIMESTAMP(3)) AS t8,
           TRY_CAST(host AS TIMESTAMP_LTZ(3)) AS t9, TRY_CAST(n AS STRING) AS t10, TRY_CAST(big AS INT) AS t11
    FROM events;
