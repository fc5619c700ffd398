#!/bin/sh
# A fresh container has no token in its database, and an address other than loopback needs one: take it from the
# file that TALLY_TOKEN_FILE names (a secret).  Then become tally.
#
#   TALLY_TOKEN_FILE   the token's text; without it, make one with `docker exec ... tally token create`
#   TALLY_TOKEN_SCOPE  read, write or admin (default)
set -eu
if [ "${1:-}" = serve ] && [ -n "${TALLY_TOKEN_FILE:-}" ]; then
    tally token create --name container --scope "${TALLY_TOKEN_SCOPE:-admin}" --token-file "$TALLY_TOKEN_FILE" --if-missing >/dev/null
fi
exec tally "$@"
