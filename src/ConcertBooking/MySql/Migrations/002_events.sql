-- What consumers of events keep. An effect and the id of the event that made it are written together.

CREATE TABLE IF NOT EXISTS consumed_event (
  consumer VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  event_id BINARY(16) NOT NULL COMMENT 'ce_id',
  batch_id BINARY(16) NOT NULL COMMENT 'the transaction that was first',
  consumed_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (consumer, event_id),
  KEY consumed_event_age (consumed_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sales_daily (
  day DATE NOT NULL COMMENT 'UTC, of the payment',
  concert_id BIGINT NOT NULL,
  seats_sold BIGINT NOT NULL,
  amount BIGINT NOT NULL COMMENT 'points',
  PRIMARY KEY (day, concert_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
