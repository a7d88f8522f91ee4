-- How many of a queue may be admitted per second at most; NULL: as many as there are places.
-- MySQL has no ADD COLUMN IF NOT EXISTS, and a statement may run again.
SET @admit_per_second = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE queue ADD COLUMN admit_per_second INT NULL', 'DO 0')
  FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'queue' AND column_name = 'admit_per_second');
PREPARE admit_per_second FROM @admit_per_second;
EXECUTE admit_per_second;
DEALLOCATE PREPARE admit_per_second;
