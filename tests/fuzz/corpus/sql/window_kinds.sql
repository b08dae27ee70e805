SET 'table.local-time-zone' = 'Europe/Berlin'; SET 'tally.allowed-lateness' = '10 s';
CREATE TABLE t (a STRING, b STRING, n INT, at TIMESTAMP(3), ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts);
CREATE VIEW w1 AS SELECT window_start, window_end, a, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, a;
CREATE VIEW w2 AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;
CREATE VIEW w3 AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end;
CREATE VIEW w4 AS SELECT window_start, window_end, a, COUNT(*) AS c FROM TABLE(SESSION(TABLE t PARTITION BY a, DESCRIPTOR(ts), INTERVAL '9' MINUTE)) GROUP BY window_start, window_end, a;
CREATE VIEW w5 AS SELECT window_start, closed_by, a, COUNT(*) AS c FROM TABLE(COUNT_WINDOW(TABLE t PARTITION BY a, DESCRIPTOR(ts), 3, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, closed_by, a;
CREATE VIEW w6 AS SELECT window_start, window_end, MAX(c) AS m FROM w1 GROUP BY window_start, window_end;
CREATE VIEW w7 AS SELECT * FROM w4 WHERE c > 1
