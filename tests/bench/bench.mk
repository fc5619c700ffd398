# The measuring stick: limit programs and load generators in C, driven by bench.py.  `make bench FULL=1` fills the big
# database (ten million batches) and takes about ten minutes; without it everything is smaller.
BENCH_PROGRAMS := load ask limit_disk limit_http limit_sqlite
BENCH_BIN := $(BENCH_PROGRAMS:%=$(OUT)/bench/%)
BENCH_OUT := $(BUILD)/bench
BENCH_RECORD := $(if $(RECORD),--record docs/performance.md)
BENCH_CFLAGS = -std=c11 -g $(OPT) $(WARN) $(SANFLAGS) -D_GNU_SOURCE -Ilib -MMD -MP

$(OUT)/bench/%.o: tests/bench/%.c Makefile tests/bench/bench.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(BENCH_CFLAGS) -c -o $@ $<
$(OUT)/bench/load: $(OUT)/bench/rows.o
$(OUT)/bench/limit_http: BENCH_LIBS := -lmicrohttpd -lpthread
$(OUT)/bench/limit_sqlite: $(OUT)/bench/rows.o $(OUT)/libtally.a
$(OUT)/bench/limit_sqlite: BENCH_LIBS := -lsqlite3 -lm
$(BENCH_BIN): %: %.o $(OUT)/bench/timing.o
	$(Q)$(CC) $(SANFLAGS) -o $@ $^ $(BENCH_LIBS)

-include $(wildcard $(OUT)/bench/*.d)

.PHONY: bench
bench: build ## the goals of docs/performance.md, measured (FULL=1: ten million batches; ONLY=part,part; RECORD=1: into the document)
	$(call install,python3)
	$(Q)$(MAKE) --no-print-directory -s $(BENCH_BIN)
	$(Q)python3 tests/bench/bench.py --tally $(TALLY) --programs $(OUT)/bench --out $(BENCH_OUT) $(if $(FULL),--full) $(if $(ONLY),--only $(ONLY)) $(BENCH_RECORD)

# The others are unpacked beside the figures, never installed: no service starts, nothing of the system changes.
OTHERS_PACKAGES := victoria-metrics influxdb prometheus-pushgateway
OTHERS := $(BENCH_OUT)/others
$(OTHERS)/.unpacked: tests/bench/bench.mk
	@mkdir -p $(OTHERS)
	$(Q)cd $(OTHERS) && rm -rf *.deb root && root="-o APT::Sandbox::User=$$(id -un)" && { apt-get download -qq $$root $(OTHERS_PACKAGES) || { sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	    $$sudo apt-get update -qq && apt-get download -qq $$root $(OTHERS_PACKAGES); }; } && for p in *.deb; do dpkg-deb -x $$p root || exit 1; done
	$(Q)touch $@

.PHONY: bench-others
bench-others: build $(OTHERS)/.unpacked ## the same work given to VictoriaMetrics, InfluxDB and Pushgateway
	$(call install,python3)
	$(Q)$(MAKE) --no-print-directory -s $(BENCH_BIN)
	$(Q)python3 tests/bench/others.py --tally $(TALLY) --programs $(OUT)/bench --others $(OTHERS)/root --out $(BENCH_OUT) $(BENCH_RECORD)
