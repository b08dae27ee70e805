-- access_log.sql: what the sqlite3 shell makes of the real access log, by itself: no code of tally takes part.
--
-- access_log_reference.sh has loaded the raw lines into line(text), whose rowid is the number of the line, and then reads this file.
-- Each ref_* view below has one column, csv: the rows of the view of the same name in views.sql or views_10s.sql as CSV text,
-- in the order in which `tally query` gives them.

-- A Combined line: ip ident user [time] "METHOD url PROTOCOL" status bytes "referrer" "user agent". Nothing in the log has a quote inside
-- a quoted field. One line of the log ends within its user agent, without the closing quote: a request all the same, whose last field was cut.
CREATE TABLE request AS
WITH
    a AS (SELECT rowid AS number, text, instr(text, ' ') AS space, instr(text, '[') AS bracket, instr(text, '"') AS quote FROM line),
    b AS (SELECT *, substr(text, 1, space - 1) AS ip, substr(text, bracket + 1, 26) AS time, substr(text, quote + 1) AS rest FROM a),
    c AS (SELECT *, substr(rest, 1, instr(rest, '"') - 1) AS asked, substr(rest, instr(rest, '"') + 2) AS rest2 FROM b),
    d AS (SELECT *, substr(rest2, 1, instr(rest2, ' ') - 1) AS status, substr(rest2, instr(rest2, ' ') + 1) AS rest3 FROM c),
    e AS (SELECT *, substr(rest3, 1, instr(rest3, ' ') - 1) AS bytes, substr(rest3, instr(rest3, '"') + 1) AS rest4 FROM d),
    f AS (SELECT *, substr(rest4, 1, instr(rest4, '"') - 1) AS referrer, substr(rest4, instr(rest4, '"') + 1) AS rest5 FROM e),
    g AS (SELECT *, substr(rest5, instr(rest5, '"') + 1) AS agent FROM f),
    h AS (SELECT *, substr(asked, instr(asked, ' ') + 1) AS url_protocol FROM g)
SELECT
    number, ip,
    CAST(strftime('%s', substr(time, 8, 4) || '-'
        || printf('%02d', (instr('JanFebMarAprMayJunJulAugSepOctNovDec', substr(time, 4, 3)) + 2) / 3) || '-' || substr(time, 1, 2)
        || 'T' || substr(time, 13, 8)) AS INTEGER)
        - (CASE substr(time, 22, 1) WHEN '-' THEN -1 ELSE 1 END)
            * (CAST(substr(time, 23, 2) AS INTEGER) * 3600 + CAST(substr(time, 25, 2) AS INTEGER) * 60) AS time_s,
    substr(asked, 1, instr(asked, ' ') - 1) AS method,
    substr(url_protocol, 1, instr(url_protocol, ' ') - 1) AS url,
    CAST(status AS INTEGER) AS status,
    CASE bytes WHEN '-' THEN NULL ELSE CAST(bytes AS INTEGER) END AS bytes,
    CASE referrer WHEN '-' THEN NULL ELSE referrer END AS referrer,
    rtrim(agent, '"') AS user_agent
FROM h;

-- Text as a CSV field (RFC 4180).
CREATE TABLE field AS
SELECT url AS text, CASE WHEN url LIKE '%"%' OR url LIKE '%,%' THEN '"' || replace(url, '"', '""') || '"' ELSE url END AS csv
FROM (SELECT DISTINCT url FROM request);
CREATE UNIQUE INDEX field_text ON field (text);

CREATE VIEW ref_hits_5m AS
SELECT 'window_start,window_end,hits,hits_with_bytes,bytes_sum,bytes_min,bytes_max,bytes_avg' AS csv
UNION ALL
SELECT csv FROM (
    SELECT printf('%s.000Z,%s.000Z,%d,%d,%s,%s,%s,%s', strftime('%Y-%m-%dT%H:%M:%S', w, 'unixepoch'),
        strftime('%Y-%m-%dT%H:%M:%S', w + 300, 'unixepoch'), COUNT(*), COUNT(bytes), ifnull(SUM(bytes), ''), ifnull(MIN(bytes), ''),
        ifnull(MAX(bytes), ''), ifnull(SUM(bytes) / COUNT(bytes), '')) AS csv
    FROM (SELECT *, time_s / 300 * 300 AS w FROM request) GROUP BY w ORDER BY w);

CREATE VIEW ref_hits_by_ip_5m AS
SELECT 'window_start,window_end,ip,hits,bytes_sum' AS csv
UNION ALL
SELECT csv FROM (
    SELECT printf('%s.000Z,%s.000Z,%s,%d,%s', strftime('%Y-%m-%dT%H:%M:%S', w, 'unixepoch'),
        strftime('%Y-%m-%dT%H:%M:%S', w + 300, 'unixepoch'), ip, COUNT(*), ifnull(SUM(bytes), '')) AS csv
    FROM (SELECT *, time_s / 300 * 300 AS w FROM request) GROUP BY w, ip ORDER BY w, ip);

CREATE VIEW ref_files_by_method_1d AS
SELECT 'window_start,window_end,method,downloads,bytes_sum,largest' AS csv
UNION ALL
SELECT csv FROM (
    SELECT printf('%s.000Z,%s.000Z,%s,%d,%s,%s', strftime('%Y-%m-%dT%H:%M:%S', w, 'unixepoch'),
        strftime('%Y-%m-%dT%H:%M:%S', w + 86400, 'unixepoch'), method, COUNT(*), ifnull(SUM(bytes), ''), ifnull(MAX(bytes), '')) AS csv
    FROM (SELECT *, time_s / 86400 * 86400 AS w FROM request
          WHERE url GLOB '/files/*' AND status BETWEEN 200 AND 299)
    GROUP BY w, method ORDER BY w, method);

CREATE VIEW ref_kind_by_url_1h AS
SELECT 'url,kind,window_start,window_end,hits' AS csv
UNION ALL
SELECT csv FROM (
    SELECT printf('%s,%s,%s.000Z,%s.000Z,%d', field.csv, kind, strftime('%Y-%m-%dT%H:%M:%S', w, 'unixepoch'),
        strftime('%Y-%m-%dT%H:%M:%S', w + 3600, 'unixepoch'), COUNT(*)) AS csv
    FROM (SELECT *, time_s / 3600 * 3600 AS w,
              CASE WHEN status >= 500 THEN 'broken' WHEN status >= 400 THEN 'refused' WHEN status >= 300 THEN 'elsewhere' ELSE 'fine' END
                  AS kind
          FROM request) AS r JOIN field ON field.text = r.url
    GROUP BY w, url, kind ORDER BY w, url, kind);

CREATE VIEW ref_by_status_10s AS
SELECT 'window_start,window_end,status,hits,bytes_sum' AS csv
UNION ALL
SELECT csv FROM (
    SELECT printf('%s.000Z,%s.000Z,%d,%d,%s', strftime('%Y-%m-%dT%H:%M:%S', w, 'unixepoch'),
        strftime('%Y-%m-%dT%H:%M:%S', w + 10, 'unixepoch'), status, COUNT(*), ifnull(SUM(bytes), '')) AS csv
    FROM (SELECT *, time_s / 10 * 10 AS w FROM request) GROUP BY w, status ORDER BY w, status);

CREATE VIEW ref_hits_10s AS
SELECT 'window_start,window_end,hits' AS csv
UNION ALL
SELECT csv FROM (
    SELECT printf('%s.000Z,%s.000Z,%d', strftime('%Y-%m-%dT%H:%M:%S', w, 'unixepoch'),
        strftime('%Y-%m-%dT%H:%M:%S', w + 10, 'unixepoch'), COUNT(*)) AS csv
    FROM (SELECT *, time_s / 10 * 10 AS w FROM request) GROUP BY w ORDER BY w);

-- Without a window: sorted by event time and then by the other columns.
CREATE VIEW ref_errors AS
SELECT 'event_time,ip,method,url,status' AS csv
UNION ALL
SELECT csv FROM (
    SELECT printf('%s.000Z,%s,%s,%s,%d', strftime('%Y-%m-%dT%H:%M:%S', time_s, 'unixepoch'), ip, method, field.csv, status) AS csv
    FROM request JOIN field ON field.text = request.url WHERE status >= 400 ORDER BY time_s, ip, method, url, status);

-- What a stream that reads the lines in order must call late: the watermark is the highest time so far less the bound, as of the line
-- before, and a window is closed once the watermark has reached its last millisecond.
CREATE VIEW ref_facts AS
WITH
    seen AS (SELECT *, max(time_s) OVER (ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS highest_s FROM request)
SELECT 'lines,distinct_lines,lines_seen_before,readable,late_5m_15s,late_10s_5s,first,last' AS csv
UNION ALL
SELECT printf('%d,%d,%d,%d,%d,%d,%s.000Z,%s.000Z', (SELECT COUNT(*) FROM line), (SELECT COUNT(DISTINCT text) FROM line),
    (SELECT COUNT(*) - COUNT(DISTINCT text) FROM line), COUNT(*),
    SUM(highest_s IS NOT NULL AND (highest_s - 15) * 1000 >= (time_s / 300 * 300 + 300) * 1000 - 1),
    SUM(highest_s IS NOT NULL AND (highest_s - 5) * 1000 >= (time_s / 10 * 10 + 10) * 1000 - 1),
    strftime('%Y-%m-%dT%H:%M:%S', MIN(time_s), 'unixepoch'), strftime('%Y-%m-%dT%H:%M:%S', MAX(time_s), 'unixepoch'))
FROM seen;
