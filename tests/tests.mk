# The test targets.  tests/run.py runs the suites and sums their counts.

UNIT_LIB_SRC := $(wildcard tests/unit/lib/*.c)
UNIT_SERVER_SRC := $(wildcard tests/unit/server/*.c)
UNIT_LIB := $(OUT)/tests/unit_lib
UNIT_SERVER := $(OUT)/tests/unit_server
TEST_CFLAGS = -std=c11 -g $(OPT) -Wall -Wextra $(SANFLAGS) -D_GNU_SOURCE -Ilib -MMD -MP
WEB_TEST_DEPS := tests/web/node_modules/.installed

$(OUT)/tests/unit/lib/%.o: tests/unit/lib/%.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -c -o $@ $<
$(OUT)/tests/unit/server/%.o: tests/unit/server/%.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -Iserver -I$(OUT)/gen -c -o $@ $<

# the tests of lib/ are linked with nothing of ours but lib/
$(UNIT_LIB): $(UNIT_LIB_SRC:%.c=$(OUT)/%.o) $(OUT)/libtally.a
	$(Q)$(CC) $(SANFLAGS) -o $@ $^ -lcriterion -lcjson -lm
$(UNIT_SERVER): $(UNIT_SERVER_SRC:%.c=$(OUT)/%.o) $(SERVER_PARTS) $(OUT)/libtally.a
	$(Q)$(CC) $(SANFLAGS) -o $@ $^ -lcriterion $(SERVER_LIBS)

-include $(UNIT_LIB_SRC:%.c=$(OUT)/%.d) $(UNIT_SERVER_SRC:%.c=$(OUT)/%.d)

# ---- what each suite runs ----
# A sanitizer's reports go to files: Criterion would print them and pass.
SAN_LOG := $(abspath $(OUT))/san
SAN_ENV := $(if $(SAN),ASAN_OPTIONS=log_path=$(SAN_LOG) TSAN_OPTIONS=log_path=$(SAN_LOG):halt_on_error=0)
RUN_API := TALLY_BIN=$(abspath $(TALLY)) python3 -m unittest discover -s tests/api
RUN_WEB := cd tests/web && TALLY_BIN=$(abspath $(TALLY)) node --test unit/*.test.mjs browser/*.test.mjs
SUITES := $(if $(findstring thread,$(SAN)),,"unit-lib=$(SAN_ENV) $(UNIT_LIB)" "unit-server=$(SAN_ENV) $(UNIT_SERVER)") \
    "api=$(SAN_ENV) $(RUN_API)" $(if $(SAN),,"web=$(RUN_WEB)")

# libFuzzer comes with clang; FUZZ_SECONDS bounds the run
FUZZ_SECONDS ?= 60
FUZZ_FLAGS = -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
.PHONY: fuzz-state
fuzz-state: ## feed random packed states to lib/ (needs clang; FUZZ_SECONDS=60)
	@mkdir -p $(BUILD)/fuzz/state
	$(Q)clang $(FUZZ_FLAGS) -Ilib -o $(BUILD)/fuzz/fuzz_state tests/fuzz/fuzz_state.c $(LIB_SRC) -lm
	$(Q)$(BUILD)/fuzz/fuzz_state -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -artifact_prefix=$(BUILD)/fuzz/ \
	    -print_final_stats=1 $(BUILD)/fuzz/state

# every kind of state keeps its properties on random cases; the seed is printed
CASES ?= 1000000
SEED ?=
.PHONY: fuzz-properties
fuzz-properties: ## the properties of states on random cases, under sanitizers (CASES=1000000, SEED=n)
	@mkdir -p $(BUILD)/fuzz
	$(Q)$(CC) -std=c11 -g -O2 -fsanitize=address,undefined -fno-sanitize-recover=all -Ilib -Itests/unit/lib \
	    -o $(BUILD)/fuzz/properties tests/fuzz/properties.c tests/unit/lib/random.c $(LIB_SRC) -lm
	$(Q)$(BUILD)/fuzz/properties $(CASES) $(SEED)
