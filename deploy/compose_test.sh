#!/usr/bin/env bash
# compose.yaml in containers, as a project of its own: deploy/roll.sh replaces both instances behind nginx while requests
# go on, none of which may fail; one visitor's flood refuses no other; a place outlives Redis' primary; and every command for
# compose that the runbook has under "Where things are" works. Without Kafka: events wait. IMAGE names the image of the
# service, NGINX_IMAGE that of nginx.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
random() { openssl rand -hex 24; }
export COMPOSE_PROJECT_NAME=concert-booking-test IMAGE=${IMAGE:-concert-booking:gate}
MYSQL_PASSWORD=$(random) AUTH_SIGNING_KEY=$(random) QUEUE_TOKEN_SIGNING_KEY=$(random)
export MYSQL_PASSWORD AUTH_SIGNING_KEY QUEUE_TOKEN_SIGNING_KEY
unset EDGE_PREFIX
nginx=${NGINX_IMAGE:-nginx:1.29-alpine}
echo "services: { nginx: { image: $nginx } }" >"$folder/nginx.yaml"
export COMPOSE_FILE=compose.yaml:$folder/nginx.yaml
clean_up() { docker compose down --volumes --timeout 5 >/dev/null 2>&1; rm -rf "$folder"; }
trap clean_up EXIT
fail() { echo "compose: $*" >&2; docker compose logs --tail 20 app-1 app-2 nginx >&2; exit 1; }

docker compose up --detach --wait mysql redis-1 redis-2 sentinel-1 sentinel-2 sentinel-3
docker compose run --rm --no-deps migrate
docker compose up --detach --no-deps --wait app-1 app-2
docker compose up --detach --no-deps --wait nginx

access=$(docker compose exec -T app-1 /app/concert-booking token --user 1)
status() { curl --silent --output /dev/null --write-out '%{http_code}\n' "$@" || true; }
# 201 once, and 200 as long as the place lasts.
enter() { status --request POST --header "Authorization: Bearer $access" http://127.0.0.1:3000/v1/queue/tokens; }
# A request after the other until the file goes, of the catalogue (from MySQL) and into the queue (Redis).
probe() {
  while [[ -e $folder/probing ]]; do
    status http://127.0.0.1:3000/v1/concerts
    enter
    sleep 0.05
  done
}
touch "$folder/probing"
probe >"$folder/answers" &
prober=$!
deploy/roll.sh
rm "$folder/probing"
wait "$prober"
sort "$folder/answers" | uniq -c
[[ $(wc -l <"$folder/answers") -ge 100 ]] || fail "too few requests to tell"
! grep -qvxE '200|201' "$folder/answers" || fail "requests failed while the instances were replaced"

# From two addresses in nginx's network, where nobody is believed to be a proxy.
printf 'services:\n  app-1: &limit { environment: { RateLimits__PerAddress: "20" } }\n  app-2: *limit\n' >"$folder/limit.yaml"
COMPOSE_FILE=$COMPOSE_FILE:$folder/limit.yaml docker compose up --detach --no-deps --wait app-1 app-2
from() { docker run --rm --network "${COMPOSE_PROJECT_NAME}_edge" --ip "172.30.250.$1" --entrypoint sh "$nginx" -c "$2"; }
get='wget -q -O /dev/null http://172.30.250.2:3000/v1/concerts'
from 10 "for i in \$(seq 60); do $get || exit 7; done" && fail "60 requests from one address were within a limit of 20"
from 11 "$get" || fail "one visitor's flood refuses another"

# Sentinel promotes the replica, which has the place: entering again is no new place (201).
docker compose exec -T redis-2 redis-cli info replication | grep -q master_link_status:up || fail "redis-2 does not follow redis-1"
[[ $(enter) == 20? ]] || fail "entering is refused"
docker compose stop redis-1
for _ in $(seq 60); do
  answer=$(enter)
  [[ $answer == 503 ]] || break
  sleep 1
done
[[ $answer == 200 ]] || fail "entering after a failover is $answer, not the same place again (200)"
docker compose start redis-1

sed -n '/^## Where things are/,/^## States/p' deploy/runbook.md | grep -o '`\(docker compose\|curl -s http:\)[^`]*`' | tr -d '`' >"$folder/commands"
[[ $(wc -l <"$folder/commands") -ge 10 ]] || fail "the runbook's commands were not found"
while read -r command; do
  echo "\$ $command"
  bash -c "$command" </dev/null >"$folder/said" 2>&1 || { cat "$folder/said"; fail "'$command' of the runbook fails"; }
done <"$folder/commands"
echo "compose: passed"
