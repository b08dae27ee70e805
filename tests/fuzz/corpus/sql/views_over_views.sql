SET 'tally.allowed-lateness' = '1 min';
CREATE TABLE e (event_id STRING, host STRING, n INT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '15' SECOND) WITH ('topic' = 'x');
CREATE TEMPORARY VIEW p AS
  SELECT * FROM e WHERE IS_FILE_REQUEST(host);
CREATE VIEW w (`when`, host) AS SELECT at, host -- all of it
 FROM p;
CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(`when`), INTERVAL '1' DAY))
GROUP BY window_start, window_end