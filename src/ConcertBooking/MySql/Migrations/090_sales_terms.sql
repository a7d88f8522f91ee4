-- When a schedule's sale is open, and how many of its seats a user may have; NULL: always, and the setting
-- Purchases__MaxPerUser. Instances of the build before go on as if all were NULL.
SET @sales_terms = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE concert_schedule
       ADD COLUMN sales_open_at DATETIME(3) NULL COMMENT ''UTC'',
       ADD COLUMN sales_close_at DATETIME(3) NULL COMMENT ''UTC'',
       ADD COLUMN max_per_user INT NULL COMMENT ''0: no limit'',
       ADD CONSTRAINT concert_schedule_sales CHECK (sales_open_at < sales_close_at)', 'DO 0')
  FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'concert_schedule' AND column_name = 'sales_open_at');
PREPARE sales_terms FROM @sales_terms;
EXECUTE sales_terms;
DEALLOCATE PREPARE sales_terms;
