CREATE TABLE t (id STRING, host STRING, n INT, d DOUBLE, ok BOOLEAN, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
CREATE VIEW h AS SELECT window_start AS a, window_end AS b, window_time AS rt, host, COUNT(*) AS c
FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE, INTERVAL '90' SECOND)) GROUP BY window_start, window_end, window_time, host;
CREATE VIEW c AS SELECT window_start, SUM(c) AS c FROM CUMULATE(DATA => TABLE h, TIMECOL => DESCRIPTOR(rt), STEP => INTERVAL '1' HOUR, SIZE => INTERVAL '1' DAY,
 `OFFSET` => INTERVAL '6' HOUR) WHERE c > 1 GROUP BY window_start, window_end;
CREATE VIEW s AS SELECT window_start, window_end, host, id FROM TABLE(SESSION(TABLE t PARTITION BY (host, id), DESCRIPTOR(ts), INTERVAL '30' MINUTE))
GROUP BY window_start, window_end, id, host;
CREATE VIEW r AS SELECT *, LOWER(host) AS l FROM s WHERE id <> '';
CREATE VIEW g AS SELECT window_start, window_end, COUNT(l) AS n FROM r GROUP BY window_start, window_end, host, id HAVING COUNT(*) > 1;
CREATE VIEW k AS SELECT window_start, closed_by, host, COUNT(*) AS n FROM TABLE(COUNT_WINDOW(TABLE t PARTITION BY host, DESCRIPTOR(ts), 3, INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, closed_by, host
