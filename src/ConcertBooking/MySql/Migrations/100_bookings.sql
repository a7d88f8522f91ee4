-- Bookings: the seats that are held, paid and released together. A reservation of the build before is a booking of one, which
-- has its id. Instances of that build may go on writing reservations and payments without a booking: the worker completes them
-- within a second (AdoptReservations).

CREATE TABLE IF NOT EXISTS booking (
  booking_id BINARY(16) NOT NULL,
  user_id BIGINT NOT NULL,
  schedule_id BIGINT NOT NULL,
  status VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  held_expires_at TIMESTAMP(3) NOT NULL,
  extensions INT NOT NULL DEFAULT 0 COMMENT 'how often its hold was prolonged',
  max_per_user INT NULL COMMENT 'the purchase limit at the time of the hold; 0: none',
  created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (booking_id),
  KEY booking_newest (user_id, created_at, booking_id),
  CONSTRAINT booking_status CHECK (status IN ('HELD', 'CONFIRMED', 'EXPIRED', 'RELEASED', 'CANCELLED'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

SET @reservation_booking = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE reservation
       ADD COLUMN booking_id BINARY(16) NULL COMMENT ''NULL: of the build before, not yet adopted'',
       ADD COLUMN payment_id BINARY(16) NULL,
       ADD KEY reservation_booking (booking_id, reservation_id),
       ADD KEY reservation_payment (payment_id)', 'DO 0')
  FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'reservation' AND column_name = 'booking_id');
PREPARE reservation_booking FROM @reservation_booking;
EXECUTE reservation_booking;
DEALLOCATE PREPARE reservation_booking;

SET @payment_booking = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE payment
       MODIFY reservation_id BINARY(16) NULL COMMENT ''of a booking of one'',
       ADD COLUMN booking_id BINARY(16) NULL COMMENT ''NULL: of the build before, not yet adopted'',
       ADD UNIQUE KEY payment_booking (booking_id)', 'DO 0')
  FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'payment' AND column_name = 'booking_id');
PREPARE payment_booking FROM @payment_booking;
EXECUTE payment_booking;
DEALLOCATE PREPARE payment_booking;

-- A thousand reservations at a time, in the order of their key, so that no instance waits long for a row.
CREATE PROCEDURE IF NOT EXISTS migrate_bookings()
BEGIN
  DECLARE last_id, next_id BINARY(16) DEFAULT UNHEX(REPEAT('00', 16));
  WHILE next_id IS NOT NULL DO
    SELECT MAX(c.reservation_id) INTO next_id FROM (
      SELECT reservation_id FROM reservation WHERE reservation_id > last_id ORDER BY reservation_id LIMIT 1000) c;
    INSERT IGNORE INTO booking (booking_id, user_id, schedule_id, status, held_expires_at, created_at)
      SELECT reservation_id, user_id, schedule_id, status, held_expires_at, created_at FROM reservation FORCE INDEX (PRIMARY)
      WHERE reservation_id > last_id AND reservation_id <= next_id AND booking_id IS NULL;
    UPDATE reservation r FORCE INDEX (PRIMARY) STRAIGHT_JOIN booking b ON b.booking_id = r.reservation_id
      LEFT JOIN payment p ON p.reservation_id = r.reservation_id
      SET r.booking_id = b.booking_id, r.payment_id = p.payment_id, p.booking_id = b.booking_id
      WHERE r.reservation_id > last_id AND r.reservation_id <= next_id AND r.booking_id IS NULL;
    SET last_id = next_id;
  END WHILE;
END;
CALL migrate_bookings();
DROP PROCEDURE migrate_bookings;

-- Answers and events name several seats.
ALTER TABLE idempotency MODIFY answer VARCHAR(8000) NULL COMMENT 'the bytes of the first answer';
ALTER TABLE outbox MODIFY payload VARCHAR(8000) NOT NULL;
