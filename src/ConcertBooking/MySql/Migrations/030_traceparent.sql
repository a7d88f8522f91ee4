-- The trace that an event was written in, W3C's traceparent; NULL: nobody collects traces, or not this one.
SET @traceparent = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE outbox ADD COLUMN traceparent VARCHAR(55) CHARACTER SET ascii NULL', 'DO 0')
  FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'outbox' AND column_name = 'traceparent');
PREPARE add_traceparent FROM @traceparent;
EXECUTE add_traceparent;
DEALLOCATE PREPARE add_traceparent;
