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
