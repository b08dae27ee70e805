SET 'a' = 'b';
ALTER VIEW v ADD CONSTRAINT a EXPECT (host IN (FILE 'no.txt', FILE '/dev/null'));
CREATE TABLE t (a INT);
