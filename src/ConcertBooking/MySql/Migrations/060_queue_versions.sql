-- A version that rises with every change, whatever the clock says, and whether anybody has ever entered the queue: the
-- data of one that nobody has entered cannot have been lost. The instance that starts last states the defaults for all.
SET @queue_version = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE queue ADD COLUMN version BIGINT NOT NULL DEFAULT 0', 'DO 0')
  FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'queue' AND column_name = 'version');
PREPARE queue_version FROM @queue_version;
EXECUTE queue_version;
DEALLOCATE PREPARE queue_version;

SET @entered_at = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE queue ADD COLUMN entered_at TIMESTAMP(6) NULL DEFAULT NULL', 'DO 0')
  FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'queue' AND column_name = 'entered_at');
PREPARE entered_at FROM @entered_at;
EXECUTE entered_at;
DEALLOCATE PREPARE entered_at;

-- Queues of a database that is in use may have been entered.
UPDATE queue SET entered_at = NOW(6), updated_at = updated_at
  WHERE entered_at IS NULL AND EXISTS (SELECT 1 FROM concert);

CREATE TABLE IF NOT EXISTS queue_default (
  id TINYINT NOT NULL,
  max_active INT NOT NULL COMMENT 'Queue__MaxActive',
  active_seconds INT NOT NULL COMMENT 'Queue__ActiveSeconds',
  version BIGINT NOT NULL DEFAULT 1,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
