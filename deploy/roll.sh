#!/usr/bin/env bash
# Replaces the instances of compose.yaml that run, one after the other: for a new image, a changed .env, or a restart. nginx
# sends clients to app-1 while app-2 is away, and the other way round; small and medium stand alone and are away meanwhile.
#
#   docker compose build && deploy/roll.sh          # or, with IMAGE in .env: docker compose pull app-1 && deploy/roll.sh
#   deploy/roll.sh app-1 app-2                      # these alone
#
# Stops at an instance that does not become ready; the ones after it go on with what they had.
set -euo pipefail
cd "$(dirname "$0")/.."
(($#)) || mapfile -t running < <(docker compose ps --services --status running | grep -xE 'app-1|app-2|small|medium')
(($#)) || set -- "${running[@]}"

# Migrations only add: what runs goes on running on the newer schema.
docker compose run --rm --no-deps migrate

for service in "$@"; do
  echo "replacing $service"
  # SIGTERM: it serves for Drain__Seconds more and finishes what it has.
  docker compose up --detach --no-deps --wait --force-recreate "$service"
  # Healthy is alive; ready has MySQL and this build's schema. nginx tries an address again 2 s after it failed.
  curl -sSf --retry 60 --retry-delay 1 --retry-all-errors --output /dev/null "http://$(docker compose port "$service" 8081)/readyz"
  sleep 3
done
echo "replaced: $*"
