-- The truth. Every statement may run again, since DDL is not transactional and a migration can be cut short.
-- ASCII keys compare by bytes; moments are TIMESTAMP, so that NOW() means the same to every session
-- whatever its time zone.

CREATE TABLE IF NOT EXISTS queue (
  queue_name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  max_active INT NULL COMMENT 'NULL: the setting Queue__MaxActive',
  active_seconds INT NULL COMMENT 'NULL: the setting Queue__ActiveSeconds',
  updated_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6) COMMENT 'instances follow the newest',
  PRIMARY KEY (queue_name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT IGNORE INTO queue (queue_name) VALUES ('main');

CREATE TABLE IF NOT EXISTS concert (
  concert_id BIGINT NOT NULL AUTO_INCREMENT,
  title VARCHAR(200) NOT NULL,
  queue_name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (concert_id),
  CONSTRAINT concert_queue FOREIGN KEY (queue_name) REFERENCES queue (queue_name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS concert_schedule (
  schedule_id BIGINT NOT NULL AUTO_INCREMENT,
  concert_id BIGINT NOT NULL,
  starts_at DATETIME(3) NOT NULL COMMENT 'UTC',
  price BIGINT NOT NULL,
  seat_count INT NOT NULL,
  PRIMARY KEY (schedule_id),
  KEY concert_schedule_concert (concert_id, starts_at),
  CONSTRAINT concert_schedule_of_concert FOREIGN KEY (concert_id) REFERENCES concert (concert_id),
  CONSTRAINT concert_schedule_price CHECK (price >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The seat names the reservation that claims it; a claim counts only while that reservation is live.
CREATE TABLE IF NOT EXISTS seat (
  schedule_id BIGINT NOT NULL,
  seat_no INT NOT NULL,
  reservation_id BINARY(16) NULL,
  PRIMARY KEY (schedule_id, seat_no),
  CONSTRAINT seat_of_schedule FOREIGN KEY (schedule_id) REFERENCES concert_schedule (schedule_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS user_point_balance (
  user_id BIGINT NOT NULL,
  balance BIGINT NOT NULL,
  PRIMARY KEY (user_id),
  CONSTRAINT balance_not_negative CHECK (balance >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- reservation_live is the guard that no code can talk its way round: a seat has one live reservation at most.
CREATE TABLE IF NOT EXISTS reservation (
  reservation_id BINARY(16) NOT NULL,
  user_id BIGINT NOT NULL,
  schedule_id BIGINT NOT NULL,
  seat_no INT NOT NULL,
  status VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  price BIGINT NOT NULL,
  held_expires_at TIMESTAMP(3) NOT NULL,
  created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  change_id BINARY(16) NULL COMMENT 'payment or event of the transaction that ended the hold',
  live TINYINT GENERATED ALWAYS AS (CASE WHEN status IN ('HELD', 'CONFIRMED') THEN 1 ELSE NULL END) STORED,
  PRIMARY KEY (reservation_id),
  UNIQUE KEY reservation_live (schedule_id, seat_no, live),
  KEY reservation_user (user_id, status, reservation_id),
  KEY reservation_due (status, held_expires_at),
  CONSTRAINT reservation_status CHECK (status IN ('HELD', 'CONFIRMED', 'EXPIRED', 'RELEASED'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS payment (
  payment_id BINARY(16) NOT NULL,
  reservation_id BINARY(16) NOT NULL,
  user_id BIGINT NOT NULL,
  amount BIGINT NOT NULL,
  created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  published_at TIMESTAMP(6) NULL DEFAULT NULL COMMENT 'when Kafka acknowledged its event',
  PRIMARY KEY (payment_id),
  UNIQUE KEY payment_reservation (reservation_id),
  CONSTRAINT payment_of_reservation FOREIGN KEY (reservation_id) REFERENCES reservation (reservation_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The ledger: what moved a balance, once per payment or charge.
CREATE TABLE IF NOT EXISTS point_tx (
  point_tx_id BINARY(16) NOT NULL,
  user_id BIGINT NOT NULL,
  type VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  amount BIGINT NOT NULL,
  balance_after BIGINT NOT NULL,
  reference BINARY(16) NOT NULL COMMENT 'CHARGE: the charge; USE: the payment',
  created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (point_tx_id),
  UNIQUE KEY point_tx_reference (reference),
  KEY point_tx_user (user_id, created_at, point_tx_id),
  CONSTRAINT point_tx_type CHECK (type IN ('CHARGE', 'USE')),
  CONSTRAINT point_tx_amount CHECK (amount >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS idempotency (
  user_id BIGINT NOT NULL,
  call_name VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  idempotency_key VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  body_hash BINARY(32) NOT NULL,
  attempt_id BINARY(16) NOT NULL COMMENT 'the transaction that owns the key',
  answer VARCHAR(1000) NULL COMMENT 'the bytes of the first answer',
  created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (user_id, call_name, idempotency_key),
  KEY idempotency_age (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Events not yet acknowledged by Kafka. next_attempt_at is also the lease: whoever claims a row moves it forward.
CREATE TABLE IF NOT EXISTS outbox (
  event_id BINARY(16) NOT NULL COMMENT 'ce_id',
  topic VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  event_type VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  event_key BINARY(16) NOT NULL COMMENT 'the reservation',
  payload VARCHAR(2000) NOT NULL,
  created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  state VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'PENDING',
  attempts INT NOT NULL DEFAULT 0 COMMENT 'refusals of this very event; an outage is none',
  next_attempt_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  claim_id BINARY(16) NULL COMMENT 'the relay that claimed it last',
  last_error VARCHAR(500) NULL,
  PRIMARY KEY (event_id),
  KEY outbox_key (event_key, created_at, event_id),
  KEY outbox_due (state, created_at, event_id, next_attempt_at),
  CONSTRAINT outbox_state CHECK (state IN ('PENDING', 'DEAD'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Claims are made one at a time, so that each sees what the others have claimed; see OutboxRelay.
CREATE TABLE IF NOT EXISTS outbox_claim (
  only_row TINYINT NOT NULL,
  PRIMARY KEY (only_row)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT IGNORE INTO outbox_claim (only_row) VALUES (1);
