-- The user ids of subjects that are no numbers (Auth__Authority): a row each, made at first sight and never changed.

CREATE TABLE IF NOT EXISTS user_identity (
  user_id BIGINT NOT NULL COMMENT '2^52 or more, less than 2^53',
  identity_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of issuer, newline, subject',
  issuer VARCHAR(1000) NOT NULL,
  subject VARCHAR(255) NOT NULL,
  created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (user_id),
  UNIQUE KEY user_identity_hash (identity_hash)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
