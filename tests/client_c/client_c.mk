# The C client: what a person builds with `make client-c`, and the same under sanitizers for its tests.
CLIENT_C := clients/c/tally.c clients/c/tally.h
CLIENT_C_OUT := $(BUILD)/client_c
CLIENT_C_FLAGS = -std=c11 -g $(WARN) -Iclients/c
CLIENT_C_LIBS := -lcurl -lz -lpthread -lm
CLIENT_C_EXAMPLES := $(CLIENT_C_OUT)/train_digits $(CLIENT_C_OUT)/minimal
CLIENT_C_TESTS := $(CLIENT_C_OUT)/job $(CLIENT_C_OUT)/job-asan $(CLIENT_C_OUT)/job-tsan $(CLIENT_C_OUT)/train_digits-asan $(CLIENT_C_OUT)/cplusplus
CLIENT_C_PROGRAMS := $(CLIENT_C_EXAMPLES) $(CLIENT_C_TESTS)
CLIENT_C_ASAN := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
CLIENT_C_TSAN := -O1 -fno-omit-frame-pointer -fsanitize=thread
RUN_CLIENT_C := TALLY_BIN=$(abspath $(TALLY)) CLIENT_C=$(abspath $(CLIENT_C_OUT)) python3 -m unittest discover -s tests/client_c

# libcurl comes in several flavours that exclude each other: any will do
.PHONY: deps-client-c client-c test-client-c
deps-client-c:
	@printf '\043include <curl/curl.h>\n' | $(CC) -E - >/dev/null 2>&1 || $(MAKE) --no-print-directory deps-client-c-install
.PHONY: deps-client-c-install
deps-client-c-install:
	$(call install,libcurl4-gnutls-dev)

client-c: deps-build deps-client-c ## build the examples of the C client
	$(Q)$(MAKE) --no-print-directory -s $(CLIENT_C_EXAMPLES)
test-client-c: build deps-client-c ## the C client against a real server
	$(call install,g++ python3)
	$(Q)$(MAKE) --no-print-directory -s $(CLIENT_C_PROGRAMS)
	$(Q)$(RUN_CLIENT_C)

$(CLIENT_C_OUT)/tally.o: $(CLIENT_C) Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CLIENT_C_FLAGS) -O2 -D_FORTIFY_SOURCE=2 -c -o $@ $<
$(CLIENT_C_OUT)/tally-asan.o: $(CLIENT_C) Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CLIENT_C_FLAGS) $(CLIENT_C_ASAN) -c -o $@ $<
$(CLIENT_C_OUT)/tally-tsan.o: $(CLIENT_C) Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CLIENT_C_FLAGS) $(CLIENT_C_TSAN) -c -o $@ $<
$(CLIENT_C_EXAMPLES): $(CLIENT_C_OUT)/%: clients/c/examples/%.c $(CLIENT_C_OUT)/tally.o
	$(Q)$(CC) $(CLIENT_C_FLAGS) -O2 -o $@ $^ $(CLIENT_C_LIBS)
$(CLIENT_C_OUT)/train_digits-asan: clients/c/examples/train_digits.c $(CLIENT_C_OUT)/tally-asan.o
	$(Q)$(CC) $(CLIENT_C_FLAGS) $(CLIENT_C_ASAN) -o $@ $^ $(CLIENT_C_LIBS)
$(CLIENT_C_OUT)/job: tests/client_c/job.c $(CLIENT_C_OUT)/tally.o
	$(Q)$(CC) $(CLIENT_C_FLAGS) -D_GNU_SOURCE -O2 -o $@ $^ $(CLIENT_C_LIBS)
$(CLIENT_C_OUT)/job-asan: tests/client_c/job.c $(CLIENT_C_OUT)/tally-asan.o
	$(Q)$(CC) $(CLIENT_C_FLAGS) -D_GNU_SOURCE $(CLIENT_C_ASAN) -o $@ $^ $(CLIENT_C_LIBS)
$(CLIENT_C_OUT)/job-tsan: tests/client_c/job.c $(CLIENT_C_OUT)/tally-tsan.o
	$(Q)$(CC) $(CLIENT_C_FLAGS) -D_GNU_SOURCE $(CLIENT_C_TSAN) -o $@ $^ $(CLIENT_C_LIBS)
$(CLIENT_C_OUT)/cplusplus: tests/client_c/header.cpp $(CLIENT_C_OUT)/tally.o
	$(Q)$(CXX) -std=c++11 -Wall -Wextra -Wpedantic -Werror -Iclients/c -o $@ $^ $(CLIENT_C_LIBS)
