# The test targets.

UNIT_LIB_SRC := $(wildcard tests/unit/lib/*.c)
UNIT_SERVER_SRC := $(wildcard tests/unit/server/*.c)
UNIT_LIB := $(OUT)/tests/unit_lib
UNIT_SERVER := $(OUT)/tests/unit_server
TEST_CFLAGS = -std=c11 -g $(OPT) -Wall -Wextra $(SANFLAGS) -D_GNU_SOURCE -Ilib -MMD -MP

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

.PHONY: unit-lib unit-server
unit-lib: $(UNIT_LIB) ## the unit and golden tests of lib/
	$(Q)$(UNIT_LIB)
unit-server: $(UNIT_SERVER) ## the unit tests of the server's modules
	$(Q)$(UNIT_SERVER)

# libFuzzer comes with clang; FUZZ_SECONDS bounds the run
FUZZ_SECONDS ?= 60
FUZZ_FLAGS = -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
.PHONY: fuzz-state
fuzz-state: ## feed random packed states to lib/ (needs clang; FUZZ_SECONDS=60)
	@mkdir -p $(BUILD)/fuzz/state
	$(Q)clang $(FUZZ_FLAGS) -Ilib -o $(BUILD)/fuzz/fuzz_state tests/fuzz/fuzz_state.c $(LIB_SRC) -lm
	$(Q)$(BUILD)/fuzz/fuzz_state -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -artifact_prefix=$(BUILD)/fuzz/ \
	    -print_final_stats=1 $(BUILD)/fuzz/state
