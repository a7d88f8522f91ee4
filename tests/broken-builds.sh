#!/usr/bin/env bash
# Breaks the guards of the service one at a time and shows that the tests notice.
#
#   tests/broken-builds.sh [NAME ...]      all of them, or only those named
#
# Each break is made in a temporary git worktree of HEAD, built, and run against the tests that must fail; the tests
# that did are listed. Exits with 1 if a broken build passes or a break no longer applies to the source. Servers are
# found as in any test run (see CONCERT_BOOKING_SERVERS); CONCERT_BOOKING_BINARY is ignored, since each build is
# another program. Needs git, dotnet and perl.
set -euo pipefail

unset CONCERT_BOOKING_BINARY
root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
work=$(mktemp -d)
trap 'git -C "$root" worktree remove --force "$work/tree" 2>/dev/null || true; rm -rf "$work"' EXIT
git -C "$root" worktree add --quiet --detach "$work/tree" HEAD
cd "$work/tree"
status=0

# broken NAME WHAT FILE PERL-SUBSTITUTION TESTS
broken() {
  local name=$1 what=$2 file=$3 substitution=$4 tests=$5 log="$work/log"
  if [ ${#wanted[@]} -gt 0 ] && [[ " ${wanted[*]} " != *" $name "* ]]; then return; fi
  echo "== $name: $what"
  perl -0pi -e "$substitution" "$file"
  if git diff --quiet; then
    echo "   the break does not apply to $file any more"
    status=1
    return
  fi
  if ! dotnet build tests/ConcertBooking.Tests -v quiet -p:TreatWarningsAsErrors=false >"$log" 2>&1; then
    echo "   does not build:"; grep -m 5 'error' "$log"
    status=1
  elif tests/ConcertBooking.Tests/bin/Debug/net10.0/ConcertBooking.Tests \
      --treenode-filter "$tests" --output Detailed --no-ansi --progress off >"$log" 2>&1; then
    echo "   NOT NOTICED by $tests"
    status=1
  else
    grep -E '^failed ' "$log" | sort | sed 's/^/   /' || { echo "   the tests did not run:"; tail -20 "$log"; status=1; }
  fi
  git checkout --quiet .
}

wanted=("$@")
src=src/ConcertBooking

broken unique-seat "the unique column that lets a seat have one live reservation is dropped" \
  $src/Database/001_journey.sql 's/\n  UNIQUE KEY reservation_live [^\n]*//' \
  '/*/*/SchemaGuards/*'
broken unique-payment "the unique reservation of a payment is dropped" \
  $src/Database/001_journey.sql 's/UNIQUE KEY payment_reservation/KEY payment_reservation/' \
  '/*/*/SchemaGuards/*'
broken unique-reference "the unique ledger reference is dropped" \
  $src/Database/001_journey.sql 's/UNIQUE KEY point_tx_reference/KEY point_tx_reference/' \
  '/*/*/SchemaGuards/*'
broken balance-check "the balance may be negative" \
  $src/Database/001_journey.sql 's/CHECK \(balance >= 0\)/CHECK (balance >= -1000000000)/' \
  '/*/*/SchemaGuards/*'
broken seat-update "the seat row is taken without a condition" \
  $src/Reservations/HoldSeat.cs 's/ AND \(reservation_id IS NULL OR reservation_id = \@dead\)//' \
  '/*/*/(OneSeat)|(ExpiryRaces)|(NoSweeper)/*'
broken both-seat-guards "the seat row is taken without a condition, and the unique column is dropped" \
  $src/Reservations/HoldSeat.cs 's/ AND \(reservation_id IS NULL OR reservation_id = \@dead\)//; `perl -0pi -e "s{\\n  UNIQUE KEY reservation_live [^\\n]*}{}" src\/ConcertBooking\/Database\/001_journey.sql`' \
  '/*/*/(OneSeat)|(ExpiryRaces)|(NoSweeper)/*'
broken idempotency-claim "a payment does not ask whether its key is taken" \
  $src/Infrastructure/Idempotency.cs 's/ AND i\.attempt_id = \@attempt\n        """;/\n        """;/' \
  '/*/*/(PayRaces)|(LostAnswers)/*'
broken pay-condition "a payment does not ask whether the hold is over" \
  $src/Payments/Pay.cs "s/ AND r\\.status = 'HELD' AND r\\.held_expires_at > NOW\\(3\\)\\n            AND b\\.balance/ AND r.status = 'HELD'\\n            AND b.balance/" \
  '/*/*/(ExpiryRaces)|(NoSweeper)/*'
broken rollback "a failed transaction is not rolled back" \
  $src/Infrastructure/MySql.cs 's/await Rollback\(connection\);\n                throw;/throw;/' \
  '/*/*/(ExpiryRaces)|(MySqlFaults)|(SmallPool)/*'
broken deadlock-retry "a deadlock is not retried" \
  $src/Infrastructure/MySql.cs 's/MySqlException \{ ErrorCode: MySqlErrorCode\.LockDeadlock \}/MySqlException { ErrorCode: MySqlErrorCode.OutOfMemory }/' \
  '/*/*/MySqlFaults/Deadlock_*'
broken wait-limit "a request waits for a connection as long as it takes" \
  $src/Infrastructure/MySql.cs 's/_free\.WaitAsync\(WaitLimit, cancellationToken\)/_free.WaitAsync(TimeSpan.FromSeconds(60), cancellationToken)/' \
  '/*/*/(SmallPool)|(MySqlFaults)/*'

exit $status
