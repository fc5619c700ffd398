#!/bin/sh
# layering.sh: the arrows of docs/design.md hold.  Prints each broken rule as file:line and exits 1 if there is any.
#
#   1. lib/ includes only headers of lib/ and of the C library.
#   2. Each third-party library has one door: one module of server/ that includes it.
#   3. What is private to a door's module is included by no other.
#   4. Handlers (api_*) reach storage through store.h and the network through http.h.
#   5. Every header compiles alone.
set -u
cd "$(dirname "$0")/../.."
broken=0
CC=${CC:-cc}

# say RULE: every line of standard input is a broken rule
say() {
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        printf '%s  (%s)\n' "$line" "$1"
        echo broken >>"$marks"
    done
}
marks=$(mktemp)
trap 'rm -f "$marks"' EXIT

includes() { grep -nE '^[[:space:]]*#[[:space:]]*include' "$@" /dev/null; }

# 1. lib/
LIBC='assert|ctype|errno|float|inttypes|limits|math|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|fenv'
includes lib/*.[ch] | grep -vE "<($LIBC)\.h>" | while IFS= read -r line; do
    header=$(printf '%s' "$line" | sed -n 's/.*include[[:space:]]*"\([^"]*\)".*/\1/p')
    case $header in
    "" | */*) printf '%s\n' "$line" ;;
    *) [ -f "lib/$header" ] || printf '%s\n' "$line" ;;
    esac
done | say "lib/ includes only lib/ and the C library"

# 2. and 3. door HEADER MODULE: only server/MODULE*.[ch] may include a header that matches HEADER
door() {
    includes server/*.[ch] web/*.[ch] 2>/dev/null | grep -E "[<\"]($1)" | grep -vE "^server/($2)\.[ch]:" |
        say "only $2 may include $1"
}
door 'microhttpd' 'http(_[a-z0-9_]+)?'
door '(cjson/)?cJSON' 'json'
door 'sqlite3' 'store_sqlite(_[a-z0-9_]+)?'
door 'gnutls' 'crypto(_[a-z0-9_]+)?'
door 'zlib' 'gzip'
door 'libpq' 'store_postgres(_[a-z0-9_]+)?'
door 'store_sqlite' 'store_sqlite(_[a-z0-9_]+)?'

# 4. SQL stays in the store
grep -nE '"(SELECT|INSERT|UPDATE|DELETE|CREATE|BEGIN|COMMIT|PRAGMA) ' server/*.[ch] 2>/dev/null | grep -vE '^server/store_' | say "SQL only in the store"
includes server/store*.[ch] 2>/dev/null | grep -E '"(http|routes|json|record|query|ingest)[a-z_]*\.h"' | grep -vE '"json_writer\.h"' | say "the store knows neither requests nor JSON"

# 5. headers alone
gen=${GEN:-build/release/gen}
for header in lib/*.h; do
    $CC -std=c11 -Wall -Wextra -Wpedantic -Ilib -fsyntax-only -x c "$header" 2>&1 | head -3 | say "$header does not compile alone"
done
for header in server/*.h; do
    $CC -std=c11 -Wall -Wextra -Wpedantic -D_GNU_SOURCE -Ilib -Iserver -I"$gen" -fsyntax-only -x c "$header" 2>&1 | head -3 | say "$header does not compile alone"
done

if [ -s "$marks" ]; then broken=$(wc -l <"$marks"); fi
echo "layering: $broken broken"
[ "$broken" -eq 0 ]
