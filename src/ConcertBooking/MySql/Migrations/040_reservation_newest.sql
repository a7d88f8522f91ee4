-- A user's reservations, newest first: by the database's clock, since ids carry the clocks of the instances. Made while
-- instances, also of the build before, go on writing. MySQL has no CREATE INDEX IF NOT EXISTS, and a statement may run again.
SET @reservation_newest = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE reservation ADD INDEX reservation_newest (user_id, created_at, reservation_id), ALGORITHM=INPLACE, LOCK=NONE', 'DO 0')
  FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = 'reservation' AND index_name = 'reservation_newest');
PREPARE reservation_newest FROM @reservation_newest;
EXECUTE reservation_newest;
DEALLOCATE PREPARE reservation_newest;
