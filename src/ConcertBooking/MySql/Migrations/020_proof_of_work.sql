-- How much work entering a queue takes; NULL: the setting Queue__ProofOfWorkBits.
SET @proof_of_work = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE queue ADD COLUMN proof_of_work_bits INT NULL', 'DO 0')
  FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'queue' AND column_name = 'proof_of_work_bits');
PREPARE proof_of_work FROM @proof_of_work;
EXECUTE proof_of_work;
DEALLOCATE PREPARE proof_of_work;
