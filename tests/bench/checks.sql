-- checks.sql: row checks for the views of views.sql: one drops nothing, one drops some events, one counts.
ALTER TABLE events ADD CONSTRAINT has_host EXPECT (host IS NOT NULL) ON VIOLATION DROP ROW;
ALTER TABLE events ADD CONSTRAINT no_robot EXPECT (ip NOT LIKE '66.249.%') ON VIOLATION DROP ROW;
ALTER TABLE events ADD CONSTRAINT has_path EXPECT (url LIKE '/%');
