#!/usr/bin/env bash
# Makes the secrets of compose.yaml once. A second run changes nothing: the password in .env is the one that the database
# in the volume was made with, and other signing keys would end every token.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -e .env ]]; then
  echo ".env is there and stays as it is"
  exit 0
fi
umask 077
for name in MYSQL_PASSWORD AUTH_SIGNING_KEY QUEUE_TOKEN_SIGNING_KEY; do
  echo "$name=$(openssl rand -hex 24)"
done >.env.new
mv .env.new .env
echo ".env is written"
