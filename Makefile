# Makefile: builds tally out of tree into build/<variant>, tests it and checks it. `make help` lists the targets.

MAKEFLAGS += --no-builtin-rules                  # a built-in rule would hand parse.y to yacc
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)  # plain `make` uses the whole machine; -j1 says otherwise
endif
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

comma := ,
Q     := $(if $(V),,@)

# FUZZ=1 is how `make fuzz` builds: libFuzzer is clang's, and finds its way by what clang counts.
ifdef FUZZ
CC := clang
SANITIZE := fuzzer-no-link,address,undefined
endif
ifeq ($(origin CC),default)
CC := gcc
endif
IS_CLANG := $(findstring clang,$(notdir $(CC)))
ifeq ($(origin CXX),default)
CXX := $(if $(IS_CLANG),$(subst clang,clang++,$(CC)),g++)
endif

# One folder for each way to build: build/release, build/address-undefined, build/thread, build/tiny, each also as ...-clang; build/fuzz.
KIND    := $(if $(SANITIZE),$(subst $(comma),-,$(SANITIZE)),)$(if $(and $(SANITIZE),$(TINY)),-,)$(if $(TINY),tiny,)
VARIANT := $(if $(FUZZ),fuzz,$(if $(KIND),$(KIND),release)$(if $(IS_CLANG),-clang,)$(if $(WERROR),-werror,))
B       := build/$(VARIANT)
G       := $(B)/gen

OPT  := $(if $(SANITIZE),-O1,-O2)
CSTD := -std=c11 -D_GNU_SOURCE
CXXSTD := -std=c++17
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wundef -Wvla -Wcast-qual -Wwrite-strings \
        -Wpointer-arith -Wformat=2 -Wimplicit-fallthrough -Wno-overlength-strings
CWARN := $(WARN) -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
GENWARN := -Wall -Wextra -Wno-unused-parameter -Wno-unused-variable -Wno-unused-but-set-variable -Wno-implicit-fallthrough -Wno-type-limits
# A test is told apart from the product by what Criterion's macros make of it: empty initialisers and absent prototypes.
TESTWARN := $(CWARN) -Wno-missing-prototypes -Wno-pedantic -Wno-missing-field-initializers $(if $(IS_CLANG),-Wno-missing-variable-declarations,)
CFLAGS   ?= $(OPT) -g
CXXFLAGS ?= $(OPT) -g
EXTRA   := $(if $(SANITIZE),-DTL_SANITIZED -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer,) \
           $(if $(TINY),-DTL_TINY,) $(if $(WERROR),-Werror,)
LLHTTP   := build/llhttp
INCLUDES := -Icommon -I. -I$(G) -isystem /usr/include/postgresql -isystem $(LLHTTP)
LIBS := -levent_extra -levent_core -lssl -lsqlite3 -lpq -lrdkafka -lzstd -lz -lxxhash -lsimdjson -lpcre2-8 -lmaxminddb -lpsl -lwslay -lcrypto -lyaml -ljansson -lpthread -lm -ldl

# --- what there is to build ---------------------------------------------------------------------------------------------
COMMON_C   := $(wildcard common/*/*.c)
COMMON_CXX := $(wildcard common/*/*.cpp)
COMMON_RE  := $(wildcard common/*/*.re)
COMMON_Y   := $(wildcard common/*/*.y)
LAYERS     := speed_layer batch_layer serving
LAYER_C    := $(wildcard $(LAYERS:%=%/*.c))

# lex.re -> build/<variant>/gen/sql/lex.c, parse.y -> gen/sql/parse.c and gen/sql/parse.h (included as "sql/parse.h")
GEN_RE := $(COMMON_RE:common/%.re=$(G)/%.c)
GEN_Y  := $(COMMON_Y:common/%.y=$(G)/%.c)
# speed_layer/tally.js -> gen/speed_layer/tally_js.h: the bytes of it, without its comment at the top and what lines begin with
GEN_JS := $(patsubst %.js,$(G)/%_js.h,$(foreach l,$(LAYERS),$(wildcard $(l)/*.js)))
# serving/openapi.json -> gen/serving/openapi_json.h, as it is
GEN_OPENAPI := $(G)/serving/openapi_json.h
GEN_H  := $(COMMON_Y:common/%.y=$(G)/%.h) $(GEN_JS) $(GEN_OPENAPI)

# The parser of HTTP, generated C that Debian has (deploy/llhttp.sh).
LLHTTP_C := $(LLHTTP)/llhttp.c $(LLHTTP)/api.c $(LLHTTP)/http.c
LLHTTP_O := $(LLHTTP_C:$(LLHTTP)/%.c=$(B)/llhttp/%.o)

# The dashboard's files, and uPlot, which it draws with, as a table of bytes.
DASHBOARD       := build/dashboard
DASHBOARD_FILES := $(wildcard serving/dashboard/*.html serving/dashboard/*.css serving/dashboard/*.js serving/dashboard/*.svg)
ASSETS_H        := $(G)/serving/assets_table.h
GEN_H += $(ASSETS_H)

objects = $(patsubst %,$(B)/%.o,$(basename $(1)))
MAIN_O := $(B)/common/main/main.o
# Commands register themselves in a linker section, so what may hold one is linked whole and never through the archive.
WHOLE_O  := $(filter-out $(MAIN_O),$(call objects,$(filter common/main/%,$(COMMON_C)) $(LAYER_C)))
COMMON_O := $(call objects,$(filter-out common/main/%,$(COMMON_C)) $(COMMON_CXX)) $(GEN_RE:.c=.o) $(GEN_Y:.c=.o) $(LLHTTP_O)
ARCHIVE  := $(B)/libtally.a
PROGRAM  := $(B)/tally

SUITES        := unit integration fault
unit_C        := $(wildcard tests/unit/*.c tests/golden/*.c)
integration_C := $(wildcard tests/integration/*.c)
fault_C       := $(wildcard tests/fault/*.c)
# tests/support/fork_runner.c runs the tests, not Criterion's own runner.
SUPPORT_C     := $(filter-out tests/support/c11_threads.c,$(wildcard tests/support/*.c))
# librdkafka's threads are C11's, which the thread sanitizer does not know.
THREADS_O     := $(if $(findstring thread,$(SANITIZE)),$(B)/tests/support/c11_threads.o,)
# A suite without a test file of its own is not built, and `make test` says so.
SUITES_HERE   := $(foreach s,$(SUITES),$(if $(wildcard tests/$(s)/*_test.c),$(s),))
TOOL_C   := $(wildcard tests/data/*.c)
TOOLS    := $(patsubst tests/data/%.c,$(B)/%,$(TOOL_C))
BENCH_C  := $(wildcard tests/bench/*.c)
BENCH_CXX := $(wildcard tests/bench/*.cpp)
BENCHES  := $(patsubst tests/bench/%,$(B)/bench_%,$(basename $(BENCH_C) $(BENCH_CXX)))
FUZZ_C   := $(wildcard tests/fuzz/*_fuzz.c)
SEEDERS  := $(patsubst tests/fuzz/%.c,$(B)/%,$(wildcard tests/fuzz/*_seeds.c))
REPLAYS  := $(patsubst tests/fuzz/%_fuzz.c,$(B)/replay_%,$(FUZZ_C))
FUZZERS  := $(patsubst tests/fuzz/%_fuzz.c,build/fuzz/%,$(FUZZ_C))

# --- targets ------------------------------------------------------------------------------------------------------------
.PHONY: all test unit integration fault replay test-unit test-unit-long test-integration test-fault test-all check bench benches fuzz fuzz-seeds \
        test-flink test-flink-long test-layers test-causes test-months test-boundary test-replays test-crowd build/demo_site kafka kafka-up postgres postgres-up servers servers-up servers-down demo tools generated install format lint lint-links lint-objects deps deps-lint deps-flink deps-bench deps-browser test-browser picture help \
        clean FORCE

all: $(PROGRAM) tools $(if $(filter release,$(VARIANT)),build/tally,) ## build/tally and the traffic generator

build/tally: $(B)/tally
	$(Q)ln -sfn release/tally $@

tools: $(TOOLS)
generated: $(GEN_H) $(GEN_RE) $(GEN_Y) $(LLHTTP)/llhttp.h

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo "  V=1 shows the commands, CC=clang changes the compiler, SANITIZE=address,undefined or SANITIZE=thread adds the"
	@echo "  sanitizers, TINY=1 builds batches of 2 rows and tables of 2 buckets. Each has a folder of its own in build/."

# What the tests compare with, from PyPI: pinned, and asked for once.
PYTHON := build/python/bin/python
PYTHON_HERE := build/python/installed
$(PYTHON_HERE): tests/reference/requirements.txt
	$(Q)echo "  PYPI $<"; rm -rf build/python; python3 -m venv build/python
	$(Q)build/python/bin/pip install -q --disable-pip-version-check -r $< || { rm -rf build/python; exit 1; }
	$(Q)touch $@

# Files for GET_LOCATION: small ones made here, and the world's countries, fetched once by their pinned version.
PLACES := build/places
$(PLACES)/city.mmdb: tests/reference/places.py $(PYTHON_HERE)
	$(Q)echo "  MMDB $(@D)"; $(PYTHON) -B $< $(@D)
$(PLACES)/country.mmdb: tests/reference/country.sh
	$(Q)echo "  NPM  $@"; $< $(@D) && touch $@
PLACES_HERE := $(PLACES)/city.mmdb $(PLACES)/country.mmdb

# What checks metrics and rules as Prometheus does.
PROMTOOL := build/promtool/promtool
$(PROMTOOL): tests/reference/promtool.sh
	$(Q)echo "  DEB  $@"; $< $(@D) && touch -h $@

# llhttp's own test cases, out of the source package of aiohttp on PyPI, by its pinned version.
LLHTTP_CASES := build/llhttp_fixtures/cases.tsv
$(LLHTTP_CASES): tests/reference/llhttp_fixtures.py | $(PYTHON_HERE)
	$(Q)echo "  PYPI $@"; $(PYTHON) -B $< $(@D)

# Schemathesis, which holds serve's openapi.json against its answers.
SCHEMATHESIS := build/schemathesis
$(SCHEMATHESIS)/installed: tests/reference/requirements_openapi.txt
	$(Q)echo "  PYPI $<"; rm -rf $(SCHEMATHESIS); python3 -m venv $(SCHEMATHESIS)
	$(Q)$(SCHEMATHESIS)/bin/pip install -q --disable-pip-version-check -r $< || { rm -rf $(SCHEMATHESIS); exit 1; }
	$(Q)touch $@
REFERENCES := $(PYTHON_HERE) $(PLACES_HERE) $(PROMTOOL) $(LLHTTP_CASES) $(SCHEMATHESIS)/installed

# The demo site, and the Node package that it and other sites use, with what their tests need; npm's versions are pinned by lock files.
SITE := build/demo_site
SITE_FILES := $(shell find deploy/demo_site deploy/express -name node_modules -prune -o -type f -print | sed 's/[][]/\\&/g')
$(SITE)/built: $(SITE_FILES)
	$(Q)echo "  NEXT $(@D)"; deploy/demo_site/build.sh $(@D) express && touch $@

# The Autobahn test suite for WebSockets, written for Python 2 and brought to Python 3 by lib2to3. Without that it is left out, and says so.
AUTOBAHN := build/autobahn
$(AUTOBAHN)/installed: tests/reference/autobahn.txt tests/reference/autobahn_suite.py
	$(Q)echo "  PYPI $<"; rm -rf $(AUTOBAHN); python3 -m venv $(AUTOBAHN)
	$(Q)$(AUTOBAHN)/bin/pip install -q --disable-pip-version-check -r $< && $(AUTOBAHN)/bin/python -B tests/reference/autobahn_suite.py prepare $(AUTOBAHN) || \
	{ rm -rf $(AUTOBAHN); exit 1; }
	$(Q)touch $@
HAS_2TO3 := $(shell python3 -W ignore -c 'import lib2to3' 2>/dev/null && echo yes)
ifeq ($(HAS_2TO3),yes)
REFERENCES += $(AUTOBAHN)/installed
endif

# Without Node.js 20 the tests of sites are left out, and say so.
HAS_NODE := $(shell node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && echo yes)
ifeq ($(HAS_NODE),yes)
REFERENCES += $(SITE)/built
endif
build/demo_site: $(SITE)/built ## the demo site, built (deploy/demo_site/serve.sh starts it)

BROWSER := build/browser
ON_BROWSER := TALLY_BIN=$(CURDIR)/$(PROGRAM) TRAFFIC_BIN=$(CURDIR)/$(B)/traffic TALLY_SITE=$(CURDIR)/$(SITE) TALLY_BROWSER=$(CURDIR)/$(BROWSER)
$(BROWSER)/installed: tests/browser/package.json tests/browser/package-lock.json
	$(Q)echo "  NPM  $(@D)"; mkdir -p $(@D); cp $^ tests/browser/.npmrc $(@D); cd $(@D) && npm ci --silent && touch installed

# --- servers for tests and trials ---------------------------------------------------------------------------------------
# On ports of their own, with all that they have under build/; they go on running until servers-down. Once their files are here nothing is asked of
# the network.
kafka: deps ## a private Kafka broker under build/; build/servers.env then has KAFKA_URL
	$(Q)$(MAKE) --no-print-directory kafka-up

postgres: deps ## a private PostgreSQL server under build/; build/servers.env then has POSTGRES_URL
	$(Q)$(MAKE) --no-print-directory postgres-up

servers: deps ## both
	$(Q)$(MAKE) --no-print-directory servers-up

kafka-up:
	$(Q)deploy/kafka/kafka.sh up build/kafka && cp build/kafka/kafka.env build/kafka.env
	$(Q)cat build/kafka.env $(wildcard build/postgres.env) > build/servers.env

postgres-up:
	$(Q)deploy/postgres/server.sh start build/postgres

servers-up: kafka-up
	$(Q)$(MAKE) --no-print-directory postgres-up

servers-down: ## ends the servers that were started for tests and trials
	$(Q)deploy/postgres/server.sh stop build/postgres
	$(Q)deploy/kafka/kafka.sh down build/kafka && rm -f build/kafka.env build/servers.env

# What the suites are told of where things are.
TEST_ENV := TALLY_BIN=$(CURDIR)/$(PROGRAM) TALLY_PYTHON=$(CURDIR)/$(PYTHON) TALLY_TEST_PLACES=$(CURDIR)/$(PLACES)/city.mmdb \
            TALLY_PROMTOOL=$(CURDIR)/$(PROMTOOL) TALLY_LLHTTP_CASES=$(CURDIR)/$(LLHTTP_CASES) $(if $(HAS_NODE),TALLY_SITE=$(CURDIR)/$(SITE),) \
            $(if $(HAS_2TO3),TALLY_AUTOBAHN=$(CURDIR)/$(AUTOBAHN),) TALLY_SCHEMATHESIS=$(CURDIR)/$(SCHEMATHESIS)/bin/python \
            TALLY_TEST_RDKAFKA=$$(echo $(CURDIR)/build/python/lib/python3*/site-packages/confluent_kafka.libs/librdkafka-*.so.*)

# The tools may have arrived only just now, so make starts again after deps.
test: deps ## everything that Criterion runs, and the fuzz corpora
	$(Q)$(MAKE) --no-print-directory test-all

test-all: all $(SUITES_HERE:%=$(B)/%) $(REPLAYS) $(REFERENCES) servers-up
	$(Q)$(TEST_ENV) tests/suites.sh $(if $(KIND),$(VARIANT),) $(B) $(SUITES_HERE:%=$(B)/%) $(REPLAYS)

unit integration fault: %: $(B)/%
$(SUITES:%=test-%): test-%: $(PROGRAM) tools $(B)/% $(REFERENCES) servers-up
	$(Q)$(TEST_ENV) tests/suites.sh $(if $(KIND),$(VARIANT),) $(B) $(B)/$*

# --- the proof against Apache Flink ------------------------------------------------------------------------------------
# Maven's versions are pinned (tests/flink/pom.xml); once they are here nothing is asked of the network.
FLINK        := build/flink
FLINK_PROOF  := $(FLINK)/proof.built
FLINK_CASES  ?=
RANDOM_PAIRS ?= 200
SEED         ?= 1
PROOF        := python3 -B tests/flink/proof.py --tally $(PROGRAM) --flink $(FLINK) --work $(FLINK)/work --random $(RANDOM_PAIRS) --seed $(SEED)

test-flink: deps-flink ## the same views in a real Flink and in tally: all rows agree (RANDOM_PAIRS, SEED, FLINK_CASES)
	$(Q)$(MAKE) --no-print-directory $(PROGRAM) $(FLINK_PROOF)
	$(Q)$(PROOF) $(FLINK_CASES)

test-flink-long: deps-flink ## random pairs of a view and a stream alone, RANDOM_PAIRS of them
	$(Q)$(MAKE) --no-print-directory $(PROGRAM) $(FLINK_PROOF)
	$(Q)$(PROOF) none

STREAMS ?= 20
test-layers: deps ## the views of test-flink and more in random histories: speed and batch give equal rows (STREAMS, SEED, FLINK_CASES)
	$(Q)$(MAKE) --no-print-directory $(PROGRAM)
	$(Q)python3 -B tests/flink/layers.py --tally $(PROGRAM) --work $(B)/layers --random $(STREAMS) --seed $(SEED) $(FLINK_CASES)

MIXTURES ?= 20
test-causes: deps ## causes planted by known ids, in MIXTURES of them, are found and nothing else is; as many random histories are explained (SEED)
	$(Q)$(MAKE) --no-print-directory $(PROGRAM) $(B)/integration servers-up
	$(Q)$(TEST_ENV) TALLY_MIXTURES=$(MIXTURES) $(if $(filter command line,$(origin SEED)),TALLY_SEED=$(SEED),) $(B)/integration --filter '*/@(are_found_*|random_histories*)'

MONTHS ?= 200
test-months: deps ## a month in parts, in any order, again and after kills is one run over everything: MONTHS random histories (SEED; TINY=1 for many rounds)
	$(Q)$(MAKE) --no-print-directory $(PROGRAM) $(B)/integration servers-up
	$(Q)$(TEST_ENV) TALLY_MONTHS=$(MONTHS) $(if $(filter command line,$(origin SEED)),TALLY_SEED=$(SEED),) $(B)/integration --filter 'month/*'

BOUNDARY_CYCLES ?= 300
test-boundary: deps ## totals are polled without rest while all around is killed: BOUNDARY_CYCLES on SQLite, as many on PostgreSQL (SEED)
	$(Q)$(MAKE) --no-print-directory $(PROGRAM) $(B)/fault servers-up
	$(Q)$(TEST_ENV) TALLY_CYCLES=$(BOUNDARY_CYCLES) $(if $(filter command line,$(origin SEED)),TALLY_SEED=$(SEED),) $(B)/fault --filter 'boundary/*'

HISTORIES ?= 200
test-replays: deps ## a replay equals the run that counted live: HISTORIES random ones, with kills in both (SEED)
	$(Q)$(MAKE) --no-print-directory $(PROGRAM) $(B)/fault
	$(Q)$(TEST_ENV) TALLY_HISTORIES=$(HISTORIES) $(if $(filter command line,$(origin SEED)),TALLY_SEED=$(SEED),) $(B)/fault --filter 'replay_histories/*'

CLIENTS ?= 500
KILLS   ?= 100
test-crowd: deps ## serve is killed KILLS times under CLIENTS clients that listen, on SQLite and on PostgreSQL (SEED); slow and silent clients are cut off
	$(Q)$(MAKE) --no-print-directory $(PROGRAM) $(B)/fault $(B)/integration servers-up
	$(Q)$(TEST_ENV) TALLY_CLIENTS=$(CLIENTS) TALLY_KILLS=$(KILLS) $(if $(filter command line,$(origin SEED)),TALLY_SEED=$(SEED),) $(B)/fault --filter 'serve_kill/*'
	$(Q)$(TEST_ENV) TALLY_LONG=1 $(B)/integration --filter '@(live_slow|serve_limits)/*'

$(FLINK_PROOF): $(shell find tests/flink/src tests/flink/pom.xml -type f)
	$(Q)mkdir -p $(@D); echo "  MVN  tests/flink"
	$(Q)mvn -q -B -f tests/flink/pom.xml -Dout=$(CURDIR)/$(FLINK) compile
	$(Q)touch $@

MUTATIONS ?= 100000
test-hostile-long: deps ## hostile streams changed at random before intercept, with h11, Node, nginx and HAProxy behind and beside it, where these are here (MUTATIONS, SEED)
	$(Q)$(MAKE) --no-print-directory $(PROGRAM) $(PYTHON_HERE) $(LLHTTP_CASES)
	$(Q)$(PYTHON) -B tests/hostile/hostile.py --tally $(PROGRAM) --cases $(LLHTTP_CASES) --behind h11,node,nginx,haproxy --mutations $(MUTATIONS) --seed $(SEED)

test-unit-long: ## the unit tests with all that is only sampled otherwise: every time zone, sets of ten million
	$(Q)TALLY_LONG=1 $(MAKE) --no-print-directory test-unit

test-browser: deps deps-browser ## a real browser (Debian's Chromium) on the demo site, with tally.js in its pages, on reconcile's report, and on the dashboard
	$(Q)$(if $(HAS_NODE),$(MAKE) --no-print-directory $(PROGRAM) $(B)/traffic $(SITE)/built $(BROWSER)/installed $(DASHBOARD)/installed,echo "test-browser: left out, for want of Node.js 20" >&2)
	$(Q)$(if $(HAS_NODE),$(ON_BROWSER) node --test --test-force-exit --test-concurrency=3 tests/browser/*.test.js)

picture: deps deps-browser ## the README's pictures of the dashboard, made again
	$(Q)sh tests/lint/deps.sh $(DEPS_PICTURE)
	$(Q)$(MAKE) --no-print-directory $(PROGRAM) $(B)/traffic $(BROWSER)/installed $(DASHBOARD)/installed
	$(Q)mkdir -p build/screenshots; $(ON_BROWSER) node tests/browser/picture.js build/screenshots
	$(Q)for name in dashboard dashboard-dark; do pngquant --force --strip --speed 1 --quality 60-90 -o serving/dashboard/$$name.png build/screenshots/$$name.png || exit 1; done

check: ## lint, test, both sanitizers, the tiny build
	$(Q)$(MAKE) --no-print-directory lint
	$(Q)$(MAKE) --no-print-directory test
	$(Q)$(MAKE) --no-print-directory SANITIZE=address,undefined test
	$(Q)$(MAKE) --no-print-directory SANITIZE=thread test
	$(Q)$(MAKE) --no-print-directory TINY=1 test-unit

demo: deps ## the whole pipeline: a real site with visitors, then made-up traffic with the reconciliation report
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(if $(HAS_NODE),$(MAKE) --no-print-directory build/demo_site || echo "demo: goes on without the site" >&2)
	$(Q)TALLY_BIN=$(CURDIR)/build/tally TRAFFIC_BIN=$(CURDIR)/$(B)/traffic DEMO_SITE=$(SITE) deploy/demo.sh

benches: $(BENCHES)
# What intercept is measured against.
PROXIES := build/proxies
$(PROXIES)/nginx: tests/bench/proxies.sh
	$(Q)echo "  DEB  $@"; $< $(@D) && touch $@

bench: deps-bench ## the figures of the core and the parts, side by side with the yardstick and the peers (BENCH_ONLY, BENCH_LONG)
	$(Q)$(MAKE) --no-print-directory all benches $(PROXIES)/nginx servers-up
	$(Q)TALLY_BIN=$(CURDIR)/$(PROGRAM) BENCH_DIR=$(CURDIR)/$(B) tests/bench/run.sh

FUZZ_SECONDS ?= 30
FUZZ_TARGETS ?= $(FUZZ_C:tests/fuzz/%_fuzz.c=%)
fuzz: deps-lint ## libFuzzer on each parser and byte form, FUZZ_SECONDS (30) each; FUZZ_TARGETS chooses some (tests/fuzz/README)
	$(Q)$(MAKE) --no-print-directory FUZZ=1 $(FUZZ_TARGETS:%=build/fuzz/%)
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/fuzz.sh build/fuzz $(FUZZ_TARGETS)

fuzz-seeds: $(SEEDERS) ## writes the corpora that are made of what tally itself saves, when a byte form has changed
	$(Q)for seeder in $(SEEDERS); do $$seeder tests/fuzz/corpus/$$(basename $${seeder%_seeds}) || exit 1; done

PREFIX ?= /usr/local
install: all ## into PREFIX (/usr/local), below DESTDIR
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/tally
	install -D -m 644 common/core/tally_function.h $(DESTDIR)$(PREFIX)/include/tally_function.h

clean: ## ends the servers and removes build/
	$(Q)[ ! -d build/kafka ] || deploy/kafka/kafka.sh down build/kafka
	$(Q)[ ! -d build/postgres ] || deploy/postgres/server.sh stop build/postgres
	rm -rf build

# --- packages -----------------------------------------------------------------------------------------------------------
DEPS      := gcc g++ make libc6-dev libsqlite3-dev libpq-dev librdkafka-dev libzstd-dev zlib1g-dev libxxhash-dev libsimdjson-dev libpcre2-dev libmaxminddb-dev libpsl-dev libwslay-dev \
             libssl-dev libyaml-dev libjansson-dev libevent-dev uap-core publicsuffix re2c lemon libcriterion-dev sqlite3 postgresql zstd tzdata python3 python3-venv \
             openjdk-17-jdk-headless maven openssl systemd
DEPS_LINT := clang clang-format clang-tidy shellcheck
DEPS_FLINK := openjdk-17-jdk-headless maven
# wrk, and the libraries of HAProxy: tests/bench/proxies.sh brings that itself.
DEPS_BROWSER := chromium
DEPS_PICTURE := pngquant
DEPS_BENCH := wrk liblua5.3-0 libopentracing-c-wrapper0

deps: ## installs what is missing from Debian (sudo where not root)
	@sh tests/lint/deps.sh $(DEPS) $$(command -v node >/dev/null && command -v npm >/dev/null || echo nodejs npm)
deps-lint:
	@sh tests/lint/deps.sh $(DEPS) $(DEPS_LINT)
deps-browser:
	@sh tests/lint/deps.sh $(DEPS_BROWSER)
deps-bench:
	@sh tests/lint/deps.sh $(DEPS) $(DEPS_BENCH)
deps-flink:
	@sh tests/lint/deps.sh $(DEPS) $(DEPS_FLINK)

# --- style and structure ------------------------------------------------------------------------------------------------
TIDY_C   = $(COMMON_C) $(LAYER_C)
FORMAT_FILES = $(wildcard common/*/*.[ch] common/*/*.cpp $(LAYERS:%=%/*.[ch]) tests/*/*.[ch] tests/*/*.cpp deploy/examples/*/*.c)

format: ## clang-format over the tree
	clang-format -i $(FORMAT_FILES)

lint: deps-lint generated ## rooms, links, format, clang-tidy, shellcheck, gcc and clang without a warning
	$(Q)bash tests/lint/rooms.sh
	$(Q)clang-format --dry-run -Werror $(FORMAT_FILES)
	$(Q)shellcheck $$(find .ci/run $(wildcard deploy) tests -name node_modules -prune -o '(' -name '*.sh' -o -path .ci/run ')' -print)
	$(Q)$(MAKE) --no-print-directory WERROR=1 CC=clang CFLAGS=-O0 CXXFLAGS=-O0 lint-objects
	$(Q)$(MAKE) --no-print-directory WERROR=1 lint-objects lint-links
	$(Q)bash tests/lint/tidy.sh $(CSTD) $(INCLUDES) -- $(TIDY_C)
	@echo "lint: clean"

LINT_TESTS := $(unit_C) $(integration_C) $(fault_C) $(wildcard tests/support/*.c tests/fuzz/*.c) $(TOOL_C) $(BENCH_C) $(BENCH_CXX)
lint-objects: $(MAIN_O) $(WHOLE_O) $(COMMON_O) $(call objects,$(LINT_TESTS))

# Each layer alone with common: a call into another layer is an undefined reference.
lint-links: $(foreach l,$(LAYERS),$(if $(wildcard $(l)/*.c),$(B)/alone_$(l),))
define LAYER_ALONE
$(B)/alone_$(1): $(MAIN_O) $(call objects,$(filter common/main/%,$(filter-out common/main/main.c,$(COMMON_C))) $(wildcard $(1)/*.c)) $(ARCHIVE)
	$$(Q)echo "  LINK $(1) alone with common"
	$$(Q)$$(CXX) $$(EXTRA) -o $$@ $$^ $$(LIBS)
endef
$(foreach l,$(LAYERS),$(eval $(call LAYER_ALONE,$(l))))

# --- rules --------------------------------------------------------------------------------------------------------------
# Objects are made again when the flags have changed.
FLAGS_LINE := $(CC) $(CXX) $(CFLAGS) $(CXXFLAGS) $(CWARN) $(EXTRA) $(INCLUDES)
$(B)/flags: FORCE
	@mkdir -p $(@D); echo '$(FLAGS_LINE)' | cmp -s - $@ || echo '$(FLAGS_LINE)' > $@

$(B)/tests/%.o: tests/%.c $(B)/flags | $(GEN_H)
	$(Q)mkdir -p $(@D); echo "  CC   $<"
	$(Q)$(CC) $(CSTD) $(TESTWARN) $(CFLAGS) $(EXTRA) $(INCLUDES) -Itests -MMD -MP -c -o $@ $<

$(B)/%.o: %.c $(B)/flags | $(GEN_H)
	$(Q)mkdir -p $(@D); echo "  CC   $<"
	$(Q)$(CC) $(CSTD) $(CWARN) $(CFLAGS) $(EXTRA) $(INCLUDES) -MMD -MP -c -o $@ $<

$(B)/%.o: %.cpp $(B)/flags
	$(Q)mkdir -p $(@D); echo "  CXX  $<"
	$(Q)$(CXX) $(CXXSTD) $(WARN) $(CXXFLAGS) $(EXTRA) $(INCLUDES) -MMD -MP -c -o $@ $<

$(G)/%.o: $(G)/%.c $(B)/flags | $(GEN_H)
	$(Q)echo "  CC   $<"
	$(Q)$(CC) $(CSTD) $(GENWARN) $(CFLAGS) $(EXTRA) $(INCLUDES) -MMD -MP -c -o $@ $<

$(B)/llhttp/%.o: $(LLHTTP)/%.c $(B)/flags
	$(Q)mkdir -p $(@D); echo "  CC   $<"
	$(Q)$(CC) $(CSTD) $(GENWARN) $(CFLAGS) $(EXTRA) -DLLHTTP_STRICT_MODE=1 $(INCLUDES) -MMD -MP -c -o $@ $<

$(B)/common/net/http1.o: | $(LLHTTP)/llhttp.h

$(LLHTTP)/llhttp.h $(LLHTTP_C) &: deploy/llhttp.sh
	$(Q)echo "  DEB  $(LLHTTP)"; $< $(LLHTTP)

$(DASHBOARD)/installed: serving/dashboard/package.json serving/dashboard/package-lock.json
	$(Q)echo "  NPM  $(@D)"; mkdir -p $(@D); cp $^ serving/dashboard/.npmrc $(@D); cd $(@D) && npm ci --silent && touch installed

$(ASSETS_H): serving/dashboard/embed.sh $(DASHBOARD_FILES) $(DASHBOARD)/installed
	$(Q)mkdir -p $(@D); echo "  EMBED serving/dashboard"
	$(Q)serving/dashboard/embed.sh $(DASHBOARD)/node_modules serving/dashboard > $@

$(B)/serving/assets.o: $(ASSETS_H)

$(G)/%.c: common/%.re
	$(Q)mkdir -p $(@D); echo "  RE2C $<"
	$(Q)re2c -W --no-generation-date -o $@ $<

$(G)/%.c $(G)/%.h &: common/%.y
	$(Q)mkdir -p $(@D); echo "  LEMON $<"
	$(Q)lemon -q -d$(@D) $<
	$(Q)touch $(G)/$*.c $(G)/$*.h  # lemon leaves a header alone that would stay as it is, and make would call it again for ever

$(GEN_JS): $(G)/%_js.h: %.js
	$(Q)mkdir -p $(@D); echo "  JS   $<"
	$(Q)(echo 'static const unsigned char $(notdir $*)_js[] = {'; \
	sed -e '/^\/\*/,/\*\/$$/d' -e 's/^ *//' -e '/^$$/d' $< | od -An -v -tx1 | sed 's/ \(..\)/0x\1,/g'; echo '};') > $@

$(GEN_OPENAPI): $(G)/%_json.h: %.json
	$(Q)mkdir -p $(@D); echo "  JSON $<"
	$(Q)(echo 'static const unsigned char $(notdir $*)_json[] = {'; od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; echo '};') > $@

$(ARCHIVE): $(COMMON_O)
	$(Q)rm -f $@; ar rcs $@ $^

$(PROGRAM): $(MAIN_O) $(WHOLE_O) $(THREADS_O) $(ARCHIVE)
	$(Q)echo "  LINK $@"
	$(Q)$(CXX) $(EXTRA) -rdynamic -o $@ $^ $(LIBS)

define SUITE
$(B)/$(1): $(call objects,$($(1)_C) $(SUPPORT_C)) $(WHOLE_O) $(THREADS_O) $(ARCHIVE)
	$$(Q)echo "  LINK $$@"
	$$(Q)$$(CXX) $$(EXTRA) -o $$@ $$^ -lcriterion $$(LIBS)
endef
$(foreach s,$(SUITES),$(eval $(call SUITE,$(s))))

$(TOOLS): $(B)/%: $(B)/tests/data/%.o $(ARCHIVE)
	$(Q)echo "  LINK $@"
	$(Q)$(CXX) $(EXTRA) -o $@ $^ $(LIBS)

# The store's calls that batch_rate.c has a stand-in for.
BATCH_RATE_WRAPS := begin commit rollback stage_rows stage_open stage_range put_ledger
$(B)/bench_batch_rate: BENCH_LINK := $(BATCH_RATE_WRAPS:%=-Wl,--wrap=tl_store_%)

$(BENCHES): $(B)/bench_%: $(B)/tests/bench/%.o $(WHOLE_O) $(ARCHIVE)
	$(Q)echo "  LINK $@"
	$(Q)$(CXX) $(EXTRA) $(BENCH_LINK) -o $@ $^ $(LIBS)

# What a target needs of a layer, whose objects stand in no archive (the others include it).
COLLECT_FUZZ := $(addprefix speed_layer/,$(addsuffix .c,client collect collect_event event_id json_elements nested_json request_event url_mask))
$(B)/replay_collect: $(call objects,$(COLLECT_FUZZ))
build/fuzz/collect: $(COLLECT_FUZZ:%.c=build/fuzz/%.o)

API_QUERY_FUZZ := serving/api_query.c serving/problem.c common/main/option.c
$(B)/replay_api_query: $(call objects,$(API_QUERY_FUZZ))
build/fuzz/api_query: $(API_QUERY_FUZZ:%.c=build/fuzz/%.o)

# The corpus without a fuzzer: a plain main() hands each file to the target.
$(REPLAYS): $(B)/replay_%: $(B)/tests/fuzz/%_fuzz.o $(B)/tests/fuzz/corpus.o $(ARCHIVE)
	$(Q)echo "  LINK $@"
	$(Q)$(CXX) $(EXTRA) -o $@ $(filter %.o,$^) $(ARCHIVE) $(LIBS)

$(SEEDERS): $(B)/%: $(B)/tests/fuzz/%.o $(ARCHIVE)
	$(Q)echo "  LINK $@"
	$(Q)$(CXX) $(EXTRA) -o $@ $^ $(LIBS)

# With FUZZ=1 alone: the fuzzer's own main() calls the target.
$(FUZZERS): build/fuzz/%: build/fuzz/tests/fuzz/%_fuzz.o build/fuzz/libtally.a
	$(Q)echo "  LINK $@"
	$(Q)$(CXX) $(EXTRA) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
