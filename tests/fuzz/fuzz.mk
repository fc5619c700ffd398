# Fuzzing.  libFuzzer comes with clang.  Every target starts from its corpus (tests/fuzz/corpus); what is found useful
# meanwhile is kept in build/fuzz/work, and `make fuzz-corpus` takes the smallest part of it that reaches as much over into the corpus.
#
#   FUZZ_SECONDS=60      how long each target runs
#   FUZZ_RUNS=10000000   or how many inputs it gets
#   FUZZ_JOBS=2          how many run at once

FUZZ_SECONDS ?= 60
FUZZ_RUNS ?=
FUZZ_JOBS ?= 2
FUZZ_DIR := $(BUILD)/fuzz
FUZZ_CC = clang -std=c11 -g -O2 -fno-sanitize-recover=all -D_GNU_SOURCE -Ilib -iquote server -iquote $(OUT)/gen -MMD -MP
FUZZ_OBJ := $(patsubst %.c,$(FUZZ_DIR)/obj/%.o,$(LIB_SRC) $(filter-out server/main.c,$(SERVER_SRC)))
FUZZ_BIN := $(FUZZ_TARGETS:%=$(FUZZ_DIR)/fuzz_%)
FUZZ_RUN = python3 tests/fuzz/campaign.py --programs $(FUZZ_DIR) --jobs $(FUZZ_JOBS) $(if $(FUZZ_RUNS),--runs $(FUZZ_RUNS),--seconds $(FUZZ_SECONDS))

.PHONY: deps-fuzz fuzz fuzz-corpus $(FUZZ_TARGETS:%=fuzz-%)
deps-fuzz: deps-build deps-node
	$(call install,$(FUZZ_PACKAGES))
fuzz: deps-fuzz fuzz-properties ## every libFuzzer target, from its corpus (FUZZ_SECONDS=60 each, or FUZZ_RUNS=10000000; FUZZ_JOBS=2); one alone: fuzz-json, ...
	$(Q)$(MAKE) --no-print-directory $(FUZZ_BIN)
	$(Q)$(FUZZ_RUN) $(FUZZ_TARGETS)
$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: deps-fuzz
	$(Q)$(MAKE) --no-print-directory $(FUZZ_DIR)/fuzz_$*
	$(Q)$(FUZZ_RUN) $*
fuzz-corpus: deps-fuzz ## take what fuzzing found over into the corpora, as little of it as reaches as much
	$(Q)$(MAKE) --no-print-directory $(FUZZ_BIN)
	$(Q)python3 tests/fuzz/campaign.py --programs $(FUZZ_DIR) --merge $(FUZZ_TARGETS)

$(FUZZ_DIR)/obj/%.o: %.c Makefile tests/fuzz/fuzz.mk | $(OUT)/gen/embedded.S
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<
# the oracle beside the decoder is no target: what it reaches guides nothing
$(DIFFERENTIAL_SRC:%.c=$(FUZZ_DIR)/obj/%.o): $(FUZZ_DIR)/obj/%.o: %.c Makefile tests/fuzz/fuzz.mk
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fsanitize=address -c -o $@ $<
$(FUZZ_DIR)/fuzz_%: $(FUZZ_DIR)/obj/tests/fuzz/fuzz_%.o $(FUZZ_OBJ) $(OUT)/gen/embedded.o
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(SERVER_LIBS)
$(FUZZ_DIR)/fuzz_differential: $(DIFFERENTIAL_SRC:%.c=$(FUZZ_DIR)/obj/%.o)
$(FUZZ_DIR)/fuzz_head: $(FUZZ_DIR)/obj/tests/fuzz/library_head.o
.SECONDARY: $(FUZZ_OBJ) $(DIFFERENTIAL_SRC:%.c=$(FUZZ_DIR)/obj/%.o) $(FUZZ_TARGETS:%=$(FUZZ_DIR)/obj/tests/fuzz/fuzz_%.o) $(FUZZ_DIR)/obj/tests/fuzz/library_head.o
-include $(FUZZ_OBJ:.o=.d) $(DIFFERENTIAL_SRC:%.c=$(FUZZ_DIR)/obj/%.d) $(FUZZ_TARGETS:%=$(FUZZ_DIR)/obj/tests/fuzz/fuzz_%.d)

# A whole server over sockets.  The server is the one with sanitizers, the client is not.
SOCKET_SRC := tests/fuzz/socket_fuzz.c tests/fuzz/socket_script.c tests/fuzz/socket_answers.c tests/fuzz/differential_generate.c tests/fuzz/differential_mutate.c
SOCKET_FUZZ := $(OUT)/tests/socket_fuzz
$(SOCKET_FUZZ): $(SOCKET_SRC:%.c=$(OUT)/%.o) $(SERVER_PARTS) $(OUT)/libtally.a
	$(Q)$(CC) $(SANFLAGS) -o $@ $^ $(SERVER_LIBS)
-include $(SOCKET_SRC:%.c=$(OUT)/%.d)
SECONDS ?= 60
.PHONY: fuzz-socket
fuzz-socket: build ## random requests, whole and damaged, to a server with sanitizers (SECONDS=60 SEED=n)
	$(Q)$(MAKE) --no-print-directory SAN= $(BUILD)/release/tests/socket_fuzz
	$(Q)$(MAKE) --no-print-directory SAN=address,undefined $(BUILD)/address-undefined/tally
	$(Q)SECONDS=$(SECONDS) SEED=$(SEED) SOCKET_FUZZ=$(abspath $(BUILD)/release/tests/socket_fuzz) TALLY_BIN=$(abspath $(BUILD)/address-undefined/tally) \
	    python3 tests/fuzz/test_socket.py

# The generator of records and the oracle without libFuzzer, for any compiler; the seed is printed.
RUNS ?= 1000000
SEED ?=
.PHONY: differential
differential: build ## as many random records to the decoder and to plain rules beside it, without clang (RUNS=1000000 SEED=n)
	$(Q)$(MAKE) --no-print-directory $(OUT)/tests/run_differential
	$(Q)$(OUT)/tests/run_differential -n $(RUNS) $(SEED)
$(OUT)/tests/run_differential: $(OUT)/tests/fuzz/run_differential.o $(DIFFERENTIAL_SRC:%.c=$(OUT)/%.o) $(SERVER_PARTS) $(OUT)/libtally.a
	$(Q)$(CC) $(SANFLAGS) -o $@ $^ $(SERVER_LIBS)

# every kind of state keeps its properties on random cases; the seed is printed
CASES ?= 1000000
.PHONY: fuzz-properties
fuzz-properties: ## the properties of states on random cases, under sanitizers (CASES=1000000, SEED=n)
	@mkdir -p $(BUILD)/fuzz
	$(Q)$(CC) -std=c11 -g -O2 -fsanitize=address,undefined -fno-sanitize-recover=all -Ilib -Itests/unit/lib \
	    -o $(BUILD)/fuzz/properties tests/fuzz/properties.c tests/unit/lib/random.c $(LIB_SRC) -lm
	$(Q)$(BUILD)/fuzz/properties $(CASES) $(SEED)
