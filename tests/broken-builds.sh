#!/usr/bin/env bash
# Breaks the guards of the service one at a time and shows that the tests notice.
#
#   tests/broken-builds.sh [NAME ...]      all of them, or only those named
#
# Each break is made in a temporary git worktree of HEAD, built, and run against the tests that must fail; the tests
# that did are listed. Exits with 1 if a broken build passes, does not build, or a break no longer fits the source.
# Servers are found as in any test run (see CONCERT_BOOKING_SERVERS); CONCERT_BOOKING_BINARY is ignored, since each
# build is another program. Needs git, dotnet and perl; a minute or two for each.
set -euo pipefail

unset CONCERT_BOOKING_BINARY
wanted=("$@")
root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
work=$(mktemp -d)
log="$work/log"
trap 'git -C "$root" worktree remove --force "$work/tree" 2>/dev/null || true; rm -rf "$work"' EXIT
git -C "$root" worktree add --quiet --detach "$work/tree" HEAD
cd "$work/tree"
status=0

fail() {
  echo "   $1"
  status=1
}

# broken NAME WHAT TESTS FILE SUBSTITUTION [FILE SUBSTITUTION ...]: the files are in src/ConcertBooking.
broken() {
  local name=$1 what=$2 tests=$3
  shift 3
  if [ ${#wanted[@]} -gt 0 ] && [[ " ${wanted[*]} " != *" $name "* ]]; then return; fi
  echo "== $name: $what"
  git checkout --quiet .
  while [ $# -gt 0 ]; do
    perl -0pi -e "$2" "src/ConcertBooking/$1"
    if git diff --quiet -- "src/ConcertBooking/$1"; then fail "the break does not fit $1 any more"; return; fi
    shift 2
  done
  if ! dotnet build tests/ConcertBooking.Tests -v quiet -p:TreatWarningsAsErrors=false >"$log" 2>&1; then
    fail "does not build: $(grep -m 1 'error' "$log")"
  elif tests/ConcertBooking.Tests/bin/Debug/net10.0/ConcertBooking.Tests \
      --treenode-filter "$tests" --output Detailed --no-ansi --progress off >"$log" 2>&1; then
    fail "NOT NOTICED by $tests"
  elif ! grep -E '^failed ' "$log" | sort | sed 's/^/   /'; then
    fail "the tests did not run: $(tail -5 "$log")"
  fi
}

migration=MySql/Migrations/001_journey.sql
drop_unique_seat='s/\n  UNIQUE KEY reservation_live [^\n]*//'
take_any_seat='s/ WHERE t\.reservation_id IS NULL OR t\.reservation_id = UNHEX\(w\.d\)//'
hold_sql=Bookings/SeatHoldSql.cs

broken unique-seat "the unique column that lets a seat have one live reservation is dropped" \
  '/*/*/SchemaGuards/*' $migration "$drop_unique_seat"
broken unique-payment "the unique reservation of a payment is dropped" \
  '/*/*/SchemaGuards/*' $migration 's/UNIQUE KEY payment_reservation/KEY payment_reservation/'
broken unique-booking "the unique booking of a payment is dropped" \
  '/*/*/SchemaGuards/*' MySql/Migrations/100_bookings.sql 's/ADD UNIQUE KEY payment_booking/ADD KEY payment_booking/'
broken unique-reference "the unique ledger reference is dropped" \
  '/*/*/SchemaGuards/*' $migration 's/UNIQUE KEY point_tx_reference/KEY point_tx_reference/'
broken balance-check "the balance may be negative" \
  '/*/*/SchemaGuards/*' $migration 's/CHECK \(balance >= 0\)/CHECK (balance >= -1000000000)/'
broken seat-update "the seat row is taken without a condition" \
  '/*/*/(OneSeat|NoSweeper)/*' $hold_sql "$take_any_seat"
broken both-seat-guards "the seat row is taken without a condition, and the unique column is dropped" \
  '/*/*/(OneSeat|NoSweeper)/*' $hold_sql "$take_any_seat" $migration "$drop_unique_seat"
# The unique column alone also refuses a seat that was not taken, and the whole booking with it.
broken all-or-none "a booking is kept although only some of its seats were taken, and the unique column is dropped" \
  '/*/*/(GroupRaces|LockOrder)/*[Category!=Long]' $hold_sql 's/IF \@taken < \@seatCount THEN/IF \@taken = 0 THEN/' \
  $migration "$drop_unique_seat"
broken purchase-limit "a hold does not ask how many seats its user has already" \
  '/*/*/PurchaseLimitRaces/*[Category!=Long]' $hold_sql 's/\n +AND NOT \{PurchaseLimit\.IsExceededSql\([^\n]*\)\}(?=;)//'
broken extension "an extension does not ask whether the hold is over" \
  '/*/*/ExtensionRaces/*[Category!=Long]' Bookings/ExtendBooking.cs 's/ AND r\.held_expires_at > NOW\(3\)//'
broken idempotency-claim "the effect does not ask whether this request claimed the key" \
  '/*/*/(PayRaces|LostAnswers)/*' Http/Idempotency/IdempotencySql.cs 's/ AND i\.attempt_id = \@attempt//'
broken hold-over "a payment does not ask whether the hold is over" \
  '/*/*/(ExpiryRaces|NoSweeper)/*[Category!=Long]' Payments/PaySql.cs 's/ AND r\.held_expires_at > NOW\(3\)//'
broken balance-enough "a payment does not ask whether the balance is enough" \
  '/*/*/PayRaces/*' Payments/PaySql.cs 's/ OR \@before < \@total//'
broken rollback "a failed transaction is not rolled back" \
  '/*/*/MySqlFaults/LockTimeout*' MySql/MySqlDatabase.cs 's/await TimedTransaction\.RollbackAsync\(connection\);//'
broken deadlock-retry "a deadlock is not retried" \
  '/*/*/MySqlFaults/Deadlock*' MySql/MySqlErrors.cs 's/MySqlFault\.Deadlock or //'
broken wait-limit "a request waits for a connection as long as it takes" \
  '/*/*/SmallPool/*' MySql/MySqlLimits.cs \
  's/SlotTimeout = TimeSpan\.FromMilliseconds\(1500\)/SlotTimeout = TimeSpan.FromSeconds(60)/; s/RequestLimit = TimeSpan\.FromSeconds\(2\)/RequestLimit = TimeSpan.FromSeconds(60)/'
broken redis-limit "a request waits for Redis as long as it takes" \
  '/*/*/RedisFaults/*Paused*' Redis/RedisClient.cs 's/CallTimeout = TimeSpan\.FromMilliseconds\(250\)/CallTimeout = TimeSpan.FromSeconds(60)/' \
  Redis/RedisConnection.cs 's/AsyncTimeout = 1000/AsyncTimeout = 60000/'
broken drain "SIGTERM stops the service at once" \
  '/*/*/Shutdown/*' Hosting/Drain.cs 's/Task\.Delay\(settings\.Drain, time/Task.Delay(TimeSpan.Zero, time/'

exit $status
