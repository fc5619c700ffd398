# The test targets.  tests/run.py runs the suites and sums their counts.

UNIT_LIB_SRC := $(wildcard tests/unit/lib/*.c)
UNIT_SERVER_SRC := $(wildcard tests/unit/server/*.c)
# the targets of libFuzzer, whose corpora are replayed in the unit tests
DIFFERENTIAL_SRC := $(wildcard tests/fuzz/differential*.c tests/fuzz/oracle*.c)
FUZZ_TARGETS := archive differential filter gzip head json query record run state
REPLAY_SRC := $(DIFFERENTIAL_SRC) tests/fuzz/library_head.c $(patsubst %,tests/fuzz/fuzz_%.c,$(filter-out differential,$(FUZZ_TARGETS)))
UNIT_LIB := $(OUT)/tests/unit_lib
UNIT_SERVER := $(OUT)/tests/unit_server
TEST_CFLAGS = -std=c11 -g $(OPT) -Wall -Wextra $(SANFLAGS) -D_GNU_SOURCE -Ilib -MMD -MP
WEB_TEST_DEPS := tests/web/node_modules/.installed
include tests/client_c/client_c.mk

$(OUT)/tests/unit/lib/%.o: tests/unit/lib/%.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -c -o $@ $<
$(OUT)/tests/unit/server/%.o: tests/unit/server/%.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -iquote server -iquote tests/fuzz -iquote $(OUT)/gen -c -o $@ $<
$(OUT)/tests/fuzz/%.o: tests/fuzz/%.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -iquote server -c -o $@ $<

# without libFuzzer each target's function goes by the target's name
$(OUT)/tests/fuzz/fuzz_%.o: tests/fuzz/fuzz_%.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -DLLVMFuzzerTestOneInput=fuzz_$* -iquote server -c -o $@ $<

# the tests of lib/ are linked with nothing of ours but lib/
$(UNIT_LIB): $(UNIT_LIB_SRC:%.c=$(OUT)/%.o) $(OUT)/libtally.a
	$(Q)$(CC) $(SANFLAGS) -o $@ $^ -lcriterion -lcjson -lm
$(UNIT_SERVER): $(UNIT_SERVER_SRC:%.c=$(OUT)/%.o) $(REPLAY_SRC:%.c=$(OUT)/%.o) $(SERVER_PARTS) $(OUT)/libtally.a
	$(Q)$(CC) $(SANFLAGS) -o $@ $^ -lcriterion $(SERVER_LIBS)

-include $(UNIT_LIB_SRC:%.c=$(OUT)/%.d) $(UNIT_SERVER_SRC:%.c=$(OUT)/%.d) $(REPLAY_SRC:%.c=$(OUT)/%.d)

# ---- what each suite runs ----
# A sanitizer's reports go to files: Criterion would print them and pass.
SAN_LOG := $(abspath $(OUT))/san
SAN_ENV := $(if $(SAN),ASAN_OPTIONS=log_path=$(SAN_LOG) TSAN_OPTIONS=log_path=$(SAN_LOG):halt_on_error=0)
RUN_API := TALLY_BIN=$(abspath $(TALLY)) python3 -m unittest discover -s tests/api
RUN_CLIENT := TALLY_BIN=$(abspath $(TALLY)) python3 -m unittest discover -s tests/client
RUN_WEB := cd tests/web && TALLY_BIN=$(abspath $(TALLY)) node --test unit/*.test.mjs browser/*.test.mjs
# A short form of each fault runs with all tests; the long forms are `make faults`.
SHIM := $(OUT)/tests/faults/shim.so
# The server with an allocator that fails: the objects under the address sanitizer, but for the arena.
MEMORY_SAN := address,undefined
MEMORY_PROGRAM := $(BUILD)/$(subst $(comma),-,$(MEMORY_SAN))/tests/faults/tally
RUN_FAULTS = TALLY_BIN=$(abspath $(TALLY)) TALLY_SHIM=$(abspath $(SHIM)) TALLY_MEMORY=$(abspath $(MEMORY_PROGRAM)) python3 -m unittest discover -s tests/faults -p '$(FAULTS)'
FAULTS ?= test*.py
RUN_FUZZ := TALLY_BIN=$(abspath $(TALLY)) python3 -m unittest discover -s tests/fuzz
RUN_RACES := RACES_SECONDS=15 TALLY_BIN=$(abspath $(TALLY)) python3 -m unittest discover -s tests/faults -p test_races.py
SUITES := $(if $(findstring thread,$(SAN)),,"unit-lib=$(SAN_ENV) $(UNIT_LIB)" "unit-server=$(SAN_ENV) $(UNIT_SERVER)") \
    "api=$(SAN_ENV) $(RUN_API)" "fuzz=$(SAN_ENV) $(RUN_FUZZ)" $(if $(SAN),"races=$(SAN_ENV) $(RUN_RACES)","client=$(RUN_CLIENT)" "client-c=$(RUN_CLIENT_C)" "faults=$(RUN_FAULTS)" "web=$(RUN_WEB)")

.PHONY: deps-test deps-nginx deps-check unit-lib unit-server api client faults web test test-integrations
deps-test: deps-build deps-node deps-client-c deps-nginx
	$(call install,$(TEST_PACKAGES))
# the tests run an nginx of their own: the service that comes with the package is not wanted
deps-nginx:
	@[ -x /usr/sbin/nginx ] || $(MAKE) --no-print-directory deps-nginx-install
.PHONY: deps-nginx-install
deps-nginx-install:
	$(call install,nginx-light)
	@[ ! -d /run/systemd/system ] || $$([ "$$(id -u)" = 0 ] || echo sudo) systemctl disable --quiet --now nginx
deps-check:
	$(call install,$(CHECK_PACKAGES))

$(WEB_TEST_DEPS): tests/web/package.json tests/web/package-lock.json | deps-node
	$(Q)cd tests/web && npm ci --ignore-scripts --no-audit --no-fund --silent
	$(Q)touch $@

unit-lib: $(UNIT_LIB) ## the unit and golden tests of lib/
	$(Q)$(SAN_ENV) $(UNIT_LIB)
unit-server: $(UNIT_SERVER) ## the unit tests of the server's modules
	$(Q)$(SAN_ENV) $(UNIT_SERVER)
api: build ## the black-box tests: a real server over HTTP
	$(Q)$(SAN_ENV) $(RUN_API)
client: build ## the Python client against a real server
	$(Q)$(RUN_CLIENT)
test-integrations: build ## torchmetrics, Lightning, Keras and Hugging Face, the real ones (installs python3-torch; not part of test)
	$(call install,$(INTEGRATION_PACKAGES))
	$(Q)sh tests/integrations/run.sh $(BUILD)/venv $(abspath $(TALLY))
$(SHIM): tests/faults/shim.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -g -O2 -Wall -Wextra -D_GNU_SOURCE -shared -fPIC -o $@ $< -ldl
.PHONY: memory-program
memory-program:
	$(Q)$(MAKE) --no-print-directory SAN=$(MEMORY_SAN) $(MEMORY_PROGRAM)
MEMORY_PARTS := $(filter-out $(OUT)/server/arena.o,$(SERVER_OBJ)) $(OUT)/gen/embedded.o
MEMORY_TALLY := $(OUT)/tests/faults/tally
# what stands in front of the sanitizer's allocator runs before it is set up
$(OUT)/tests/faults/memory.o: SANFLAGS :=
$(OUT)/tests/faults/%.o: tests/faults/%.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -fno-omit-frame-pointer -iquote server -c -o $@ $<
$(MEMORY_TALLY): $(OUT)/tests/faults/memory.o $(OUT)/tests/faults/memory_arena.o $(MEMORY_PARTS) $(OUT)/libtally.a
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SERVER_LIBS) -ldl
-include $(OUT)/tests/faults/memory.d $(OUT)/tests/faults/memory_arena.d
CYCLES ?= 1000
POINTS ?= 2000
INDEXES ?= 0
SHORTAGES ?= 41
BACKUPS ?= 100
PAUSE ?= 5
FLIPS ?= 1000
ALLOCATIONS ?= all
SLOW ?= 5000
faults: build memory-program $(SHIM) ## kill -9, power cuts, refused writes, a full disk, flipped bits, no memory, upgrades, backups, slow clients: the long forms (CYCLES=1000 POINTS=2000 INDEXES=0 FLIPS=1000 ALLOCATIONS=all BACKUPS=100 SLOW=5000; FAULTS=test_kill.py: one)
	$(Q)FLIPS=$(FLIPS) ALLOCATIONS=$(ALLOCATIONS) SLOW=$(SLOW) BACKUPS=$(BACKUPS) PAUSE=$(PAUSE) CYCLES=$(CYCLES) POINTS=$(POINTS) INDEXES=$(INDEXES) SHORTAGES=$(SHORTAGES) $(RUN_FAULTS)
.PHONY: slow races
slow: build ## slow clients beside honest ones alone, the long form (SLOW=5000: connections)
	$(Q)SLOW=$(SLOW) $(RUN_FAULTS) -p test_slow.py
MINUTES ?= 60
PACE ?= 24
.PHONY: soak
soak: build ## a day of a typical job in an hour: do memory or open files rise? (MINUTES=60 PACE=24)
	$(Q)TALLY_BIN=$(abspath $(TALLY)) python3 tests/faults/soak.py --minutes $(MINUTES) --pace $(PACE)
RACES_SECONDS ?= 600
races: build ## everything at once, the server built with the thread sanitizer (RACES_SECONDS=600)
	$(Q)$(MAKE) --no-print-directory SAN=thread $(BUILD)/thread/tally
	$(Q)RACES_SECONDS=$(RACES_SECONDS) TALLY_BIN=$(abspath $(BUILD)/thread/tally) python3 -m unittest discover -s tests/faults -p test_races.py
web: build $(WEB_TEST_DEPS) ## the page in a real browser
	$(Q)$(RUN_WEB)

# Criterion cannot run under the thread sanitizer: SAN=thread builds the server and drives it over HTTP only.
test: deps-test ## install what the tests need, build, run every suite
	$(Q)$(MAKE) --no-print-directory $(TALLY) $(SOCKET_FUZZ) $(if $(findstring thread,$(SAN)),,$(UNIT_LIB) $(UNIT_SERVER)) $(if $(SAN),,$(SHIM) $(WEB_TEST_DEPS) $(CLIENT_C_PROGRAMS))
	$(if $(SAN),,$(Q)$(MAKE) --no-print-directory memory-program)
	$(Q)python3 tests/run.py $(if $(SAN),--san $(SAN_LOG)) $(SUITES)

.PHONY: check demo
# What cppcheck 2.10 says of variables set through a pointer is left to -Wmaybe-uninitialized and the sanitizers.  The other
# three are right once each: a waiter on the stack that outlives its job, an allocator on top of realloc, a length before a text.
CPPCHECK_SUPPRESS := missingIncludeSystem uninitvar uninitStructMember ctuuninitvar autoVariables memleakOnRealloc pointerSize
check: deps-build deps-check deps-client-c ## format, warnings as errors, cppcheck, layering
	$(Q)clang-format --dry-run -Werror $(wildcard lib/*.[ch] server/*.[ch] tests/unit/*/*.[ch] tests/fuzz/*.[ch] tests/faults/*.[ch] tests/bench/*.[ch] clients/c/*.[ch] clients/c/examples/*.c tests/client_c/*.c)
	$(Q)$(MAKE) --no-print-directory $(TALLY) $(CLIENT_C_EXAMPLES)
	$(Q)cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr --error-exitcode=1 \
	    $(CPPCHECK_SUPPRESS:%=--suppress=%) -D__SIZEOF_INT128__=16 -Ilib -iquote server -iquote $(OUT)/gen lib server
	$(Q)cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr --error-exitcode=1 \
	    $(CPPCHECK_SUPPRESS:%=--suppress=%) -Iclients/c clients/c
	$(Q)GEN=$(OUT)/gen CC="$(CC)" sh tests/check/layering.sh
demo: build ## train a real classifier that logs to a real server, and watch it live
	$(call install,python3)
	$(Q)exec python3 tests/demo/demo.py $(TALLY)

include tests/bench/bench.mk

include tests/fuzz/fuzz.mk
