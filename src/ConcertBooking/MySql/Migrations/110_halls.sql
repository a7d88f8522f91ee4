-- Halls: sections of rows of labelled seats, with grades; a schedule of one has a price for each grade. A schedule without a hall
-- stays as it is. Instances of the build before go on, but charge concert_schedule.price, the lowest, for every seat of a hall:
-- the first schedule with a hall is to be added when all instances are of this build.

CREATE TABLE IF NOT EXISTS hall (
  hall_id BIGINT NOT NULL AUTO_INCREMENT,
  name VARCHAR(200) NOT NULL,
  seat_count INT NOT NULL,
  sections MEDIUMTEXT NOT NULL COMMENT 'JSON, as in the answer of the plan',
  created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (hall_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Seats of a row are numbered one after the other, as they stand.
CREATE TABLE IF NOT EXISTS hall_row (
  hall_id BIGINT NOT NULL,
  first_seat_no INT NOT NULL,
  seat_count INT NOT NULL,
  section VARCHAR(30) NOT NULL,
  row_name VARCHAR(10) NOT NULL,
  grade VARCHAR(20) NOT NULL,
  depth INT NOT NULL COMMENT 'rows before it in its section; 0: the front',
  PRIMARY KEY (hall_id, first_seat_no),
  CONSTRAINT hall_row_of_hall FOREIGN KEY (hall_id) REFERENCES hall (hall_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS hall_seat (
  hall_id BIGINT NOT NULL,
  seat_no INT NOT NULL,
  section VARCHAR(30) NOT NULL,
  row_name VARCHAR(10) NOT NULL,
  label VARCHAR(10) NOT NULL,
  grade VARCHAR(20) NOT NULL,
  PRIMARY KEY (hall_id, seat_no),
  CONSTRAINT hall_seat_of_hall FOREIGN KEY (hall_id) REFERENCES hall (hall_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

SET @schedule_hall = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE concert_schedule
       ADD COLUMN hall_id BIGINT NULL COMMENT ''NULL: seats without labels at one price'',
       ADD CONSTRAINT concert_schedule_hall FOREIGN KEY (hall_id) REFERENCES hall (hall_id)', 'DO 0')
  FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'concert_schedule' AND column_name = 'hall_id');
PREPARE schedule_hall FROM @schedule_hall;
EXECUTE schedule_hall;
DEALLOCATE PREPARE schedule_hall;

-- concert_schedule.price is the lowest of these.
CREATE TABLE IF NOT EXISTS schedule_price (
  schedule_id BIGINT NOT NULL,
  grade VARCHAR(20) NOT NULL,
  price BIGINT NOT NULL,
  PRIMARY KEY (schedule_id, grade),
  CONSTRAINT schedule_price_of_schedule FOREIGN KEY (schedule_id) REFERENCES concert_schedule (schedule_id),
  CONSTRAINT schedule_price_price CHECK (price >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Events and answers name the places of up to 50 seats: 262 characters each at most, where every character of a name is escaped.
ALTER TABLE outbox MODIFY payload VARCHAR(15000) NOT NULL;
ALTER TABLE idempotency MODIFY answer VARCHAR(15000) NULL COMMENT 'the bytes of the first answer';
