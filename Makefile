# Tally: build, run, test.  `make help` lists what there is.
#
#   BUILD=DIR            where everything that is built goes (default build)
#   SAN=address,undefined  build with sanitizers, in a folder of its own (SAN=thread: the server only)
#   V=1                  show the commands

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

comma := ,
BUILD ?= build
SAN ?=
OUT := $(BUILD)/$(if $(SAN),$(subst $(comma),-,$(SAN)),release)
Q := $(if $(V),,@)

CC ?= cc
PREFIX ?= /usr/local
DESTDIR ?=

# ---- flags: lib/ sees only itself, the server sees lib/ and itself ----
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
HARDEN := $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fstack-clash-protection -fPIE
OPT := $(if $(SAN),-O1 -fno-omit-frame-pointer,-O2)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
CFLAGS_ALL := -std=c11 -g $(OPT) $(WARN) $(HARDEN) $(SANFLAGS) $(CFLAGS) -MMD -MP
LIB_CFLAGS := $(CFLAGS_ALL) -Ilib
SERVER_CFLAGS := $(CFLAGS_ALL) -D_GNU_SOURCE -iquote lib -iquote server -iquote $(OUT)/gen
LDFLAGS_ALL := $(SANFLAGS) -pie -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)
SERVER_LIBS := -lmicrohttpd -lsqlite3 -lcjson -lgnutls -lz -lpthread -lm

LIB_SRC := $(wildcard lib/*.c)
SERVER_SRC := $(wildcard server/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(OUT)/%.o)
SERVER_OBJ := $(SERVER_SRC:%.c=$(OUT)/%.o)
SERVER_PARTS := $(filter-out $(OUT)/server/main.o,$(SERVER_OBJ)) $(OUT)/gen/embedded.o
TALLY := $(OUT)/tally

# ---- what is compiled into the binary: the page, the SQL, the API document ----
WEB_DEPS := web/node_modules/.installed
WEB_NODE_FILES := web/node_modules/uplot/dist/uPlot.iife.min.js web/node_modules/uplot/dist/uPlot.min.css \
    web/node_modules/htm/preact/standalone.module.js
ESBUILD := web/node_modules/.bin/esbuild
WEB_FILES := $(wildcard web/*.html web/*.css web/*.svg web/src/*.js)
EMBED_FILES := $(WEB_FILES) $(wildcard schema/sqlite/*.sql) schema/openapi.yaml

# ---- packages; only what is missing is installed ----
BUILD_PACKAGES := gcc libc6-dev libmicrohttpd-dev libsqlite3-dev libcjson-dev libgnutls28-dev zlib1g-dev
TEST_PACKAGES := libcriterion-dev g++ python3 python3-prometheus-client chromium curl sqlite3 openssl
INTEGRATION_PACKAGES := python3 python3-venv python3-torch
CHECK_PACKAGES := clang-format cppcheck
FUZZ_PACKAGES := clang python3

include tests/tests.mk

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile tests/tests.mk tests/fuzz/fuzz.mk tests/client_c/client_c.mk tests/bench/bench.mk | sed 's/:.*## /\t/' | expand -t 16

# $(call install,PACKAGES): Debian packages that are not there yet, with sudo when not root
define install
	@missing=""; for p in $(1); do \
	    dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	    echo "installing:$$missing"; sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	    $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null; \
	fi
endef

.PHONY: deps-build deps-node
deps-build:
	$(call install,$(BUILD_PACKAGES))
deps-node:
	@command -v node >/dev/null && command -v npm >/dev/null || $(MAKE) --no-print-directory deps-node-install
.PHONY: deps-node-install
deps-node-install:
	$(call install,nodejs npm)

$(WEB_DEPS): web/package.json web/package-lock.json | deps-node
	$(Q)cd web && npm ci --ignore-scripts --no-audit --no-fund --silent
	$(Q)touch $@
$(WEB_NODE_FILES): $(WEB_DEPS)

.PHONY: build
build: deps-build ## install what is missing and build the program
	$(Q)$(MAKE) --no-print-directory $(TALLY)

.PHONY: run
run: build ## build, start the server on 127.0.0.1:7070 with tally.db
	$(Q)exec $(TALLY) serve --db tally.db

.PHONY: install
install: build ## install the program under PREFIX (/usr/local)
	install -D -m 755 $(TALLY) $(DESTDIR)$(PREFIX)/bin/tally

.PHONY: clean
clean: ## remove all that was built
	rm -rf $(BUILD) web/node_modules tests/web/node_modules

# ---- rules ----
$(OUT)/lib/%.o: lib/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(LIB_CFLAGS) -c -o $@ $<

$(OUT)/server/%.o: server/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(SERVER_CFLAGS) -c -o $@ $<

# embedded.S pulls each file in with .incbin; build_id.h holds the hash of all sources
$(OUT)/gen/embedded.S: server/embed/embed.sh $(WEB_DEPS) $(WEB_NODE_FILES) $(EMBED_FILES) $(LIB_SRC) $(SERVER_SRC)
	@mkdir -p $(@D)
	$(Q)ESBUILD=$(ESBUILD) sh server/embed/embed.sh $(@D) $(EMBED_FILES) $(WEB_NODE_FILES) -- $(LIB_SRC) $(SERVER_SRC)
# written by the same command; without this line a parallel make may compile version.c with the id before
$(OUT)/gen/build_id.h: $(OUT)/gen/embedded.S ;
$(OUT)/gen/embedded.o: $(OUT)/gen/embedded.S
	$(Q)$(CC) $(SANFLAGS) -c -o $@ $<
$(SERVER_OBJ): | $(OUT)/gen/embedded.S

$(OUT)/libtally.a: $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(TALLY): $(OUT)/server/main.o $(SERVER_PARTS) $(OUT)/libtally.a
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SERVER_LIBS)

-include $(LIB_OBJ:.o=.d) $(SERVER_OBJ:.o=.d)
