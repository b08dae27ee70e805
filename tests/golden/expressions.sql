-- expressions: CASE takes the first branch that is true, COALESCE the first that is not NULL; neither evaluates what it does not need.
-- shuffle 15000
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW made AS
    SELECT n,
           CASE WHEN n > 10 THEN 'big' WHEN n > 5 THEN 'middle' WHEN n IS NOT NULL THEN 'small' END AS size,
           CASE host WHEN 'a' THEN 1 WHEN 'b' THEN 2 ELSE 0 END AS number,
           COALESCE(host, 'nobody') AS who,
           UPPER(host) AS up, LOWER(host) AS low,
           n * 2 - 1 AS sum,
           CASE WHEN n = 0 THEN NULL ELSE 100 / n END AS share
    FROM events;
