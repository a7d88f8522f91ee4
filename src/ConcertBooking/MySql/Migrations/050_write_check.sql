-- Where instances write to learn whether the server takes writes: check 0 every few seconds; the others came from
-- moments after a full disk, 1.5 MB each and forty at most. They may be deleted.

CREATE TABLE IF NOT EXISTS write_check (
  check_id BIGINT NOT NULL,
  checked_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  filler MEDIUMBLOB NULL,
  PRIMARY KEY (check_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
