# crisp_fdw: a PostgreSQL foreign data wrapper for the REST API of Crisp
#
#   make                  build the extension with PGXS
#   make install          install it into the PostgreSQL that PG_CONFIG names
#   make uninstall        remove what make install has put there
#   make sandbox          build sandbox/crisp-sandbox, a Crisp API on loopback
#   make demo             try everything on a throwaway server; installs what is missing
#   make test             run every test; installs what is missing
#   make matrix           run every test on each PostgreSQL that Debian has; needs root and some GB
#   make builds           build by each compiler in each way on each of those, and for arm64; likewise
#   make fuzz             let libFuzzer try what reads JSON, options and answers; installs what is missing
#   make sanitize         run every test on a PostgreSQL with sanitizers, which it builds; needs some GB
#   make soak             twenty sessions, pg_cron, faults and restarts for half an hour
#   make sqlsmith         let sqlsmith write statements against tables and functions; installs what is missing
#   make memory           10,000 statements of each kind in one backend, whose memory is measured
#   make bench            measure against other ways to do the same; installs what is missing
#   make lint             check style and run the static analysers; installs what is missing
#   make format           put the C code into the style that lint asks for
#   make installcheck     the PGXS way to test an installed extension
#   make dist             make the source archive of the current commit, for PGXN, too
#   make deb              build Debian packages for the PostgreSQL in use; installs what is missing
#   make release          make all that is released, with checksums, in dist/
#   make clean            remove what was built
#
# Variables: PG_CONFIG, PKG_CONFIG, CC, WERROR=1 (a warning is an error),
# ONLY="regress|isolation|tap|contract" and TESTS="name ..." (make test), VERSIONS="15 18"
# (make matrix, make builds), WAYS="O0 arm64" (make builds), SECONDS=60 (make fuzz, of each target),
# MINUTES=30 (make soak and sqlsmith), STATEMENTS=10000 and KINDS="scan join" (make memory),
# QUICK=1 (make bench, make sanitize), STRAIN=memory (make sanitize).

# In a build outside the tree (make -f …/Makefile) the tree is where this file is.
tree := $(patsubst %/,%,$(dir $(abspath $(firstword $(MAKEFILE_LIST)))))

# To make, a space ends a name.
ifeq (,$(and $(filter 1,$(words $(CURDIR))),$(wildcard $(tree)/crisp_fdw.control)))
$(error make cannot build where the name of a directory above has a space: move the tree to another one)
endif

# The version stands in the control file; all else that names it is made from that.
version := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(tree)/crisp_fdw.control)

MODULE_big = crisp_fdw
EXTENSION = crisp_fdw
DATA = install/released/crisp_fdw--1.0.sql
DATA_built = $(CURDIR)/crisp_fdw--$(version).sql $(CURDIR)/crisp_fdw--1.0--1.1.sql
PGFILEDESC = "crisp_fdw - foreign data wrapper for Crisp"

PG_CONFIG ?= pg_config
PKG_CONFIG ?= pkg-config
LIBRARIES = libcurl json-c

# Lists are made from what lies in the tree, so that they cannot go stale.
from_tree = $(patsubst $(tree)/%,%,$(sort $(wildcard $(addprefix $(tree)/,$(1)))))

# The extension's script, in the order in which its parts need each other.  In the parts, @extschema@ is
# the schema of internal objects, and @extschema:own@ that of the extension (install/sync_state.sql).
as_parts = $(patsubst %,$(tree)/install/%.sql,$(1))
later_parts = $(call as_parts,sync_state sync_failed sync_target sync_plan sync_window \
	sync_job sync_estimate sync_full sync sync_public sync_status push_state push_failed push_plan push push_step \
	push_public push_status drop_notice reports)
script_parts = $(call as_parts,fdw catalog quota internal) $(later_parts)

# An update is made of the same parts, so that it leads to the same; but not of fdw.sql, which is as it was.
update_parts = $(call as_parts,internal upgrade_1.0_begin catalog quota) $(later_parts) \
	$(call as_parts,upgrade_1.0_end)

OBJS = $(patsubst %.c,%.o,crisp_fdw.c $(call from_tree,src/*/*.c))

# sql/init.sql creates what the other files use, so it always goes first.
regress_files = $(patsubst sql/%.sql,%,$(call from_tree,sql/*.sql))
REGRESS = $(filter init,$(regress_files)) $(filter-out init,$(regress_files))
ISOLATION = $(patsubst specs/%.spec,%,$(call from_tree,specs/*.spec))
TAP_TESTS = 1
PROVE_TESTS = $(addprefix $(tree)/,$(call from_tree,t/*/*.t))
EXTRA_CLEAN = src/*/*.o src/*/*.bc .built_for

# Targets that do without PGXS: they bring what they need along, or need
# nothing but make.  With these alone, an absent pg_config is no error.
independent = demo test fuzz matrix builds sanitize soak sqlsmith memory \
  bench lint format sandbox clean-sandbox dist deb release help
goals = $(or $(MAKECMDGOALS),all)

ifneq (,$(filter-out $(independent),$(goals)))

PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))

ifneq (,$(PGXS))

# PostgreSQL's own headers are system headers here: we answer for our own code.
# The callbacks of PostgreSQL prescribe parameters that a function may not use.
PG_CPPFLAGS = -DCRISP_FDW_VERSION='"$(version)"' -I$(tree)/src -isystem $(includedir_server)
PG_CPPFLAGS += $(shell $(PKG_CONFIG) --cflags $(LIBRARIES) 2>/dev/null)
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs $(LIBRARIES) 2>/dev/null)

# PostgreSQL hands down the flags of the compiler it was built with.
ifneq (,$(findstring clang,$(CC)))
PG_CFLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument
endif
ifeq ($(WERROR),1)
PG_CFLAGS += -Werror
endif

# Bitcode for JIT would make clang a build requirement, and there is nothing
# worth inlining.
override with_llvm := no

ifneq ($(tree),$(CURDIR))
VPATH = $(tree)
$(shell mkdir -p $(sort $(dir $(OBJS))))
endif

include $(PGXS)

ifneq (,$(and $(filter 9.% 10 11 12 13 14,$(MAJORVERSION)),$(filter-out clean uninstall,$(goals))))
$(error crisp_fdw needs PostgreSQL 15 or a later one, and $(PG_CONFIG) is of $(VERSION))
endif

# For make installcheck.  The tests in sql/ and specs/ also want the base URL of
# a running sandbox, in CRISP_SANDBOX_URL, with the data that tools/run-tests.sh
# gives it (regress_data); those in t/ start sandboxes of their own.
installcheck: export PGOPTIONS += -c crisp.url=$(CRISP_SANDBOX_URL)
PROVE_FLAGS += -I $(tree)/t/lib
export CRISP_SANDBOX ?= $(tree)/sandbox/crisp-sandbox

# Named in full, so that make doesn't take one that lies in the tree for it.
name_schemas = sed -e 's/@extschema@/crisp_sync_internal/g' -e 's/@extschema:own@/@extschema@/g'

$(CURDIR)/crisp_fdw--$(version).sql: $(script_parts) $(tree)/Makefile
	$(name_schemas) $(script_parts) >$@

$(CURDIR)/crisp_fdw--1.0--1.1.sql: $(update_parts) $(tree)/Makefile
	{ printf '%s\n' '\echo Use "ALTER EXTENSION crisp_fdw UPDATE" to load this file. \quit'; \
	  $(name_schemas) $(update_parts); } >$@

# What was built for one PostgreSQL is built anew for another one.
built_for = $(VERSION) $(includedir_server)

ifneq ($(built_for),$(shell cat $(CURDIR)/.built_for 2>/dev/null))
.PHONY: $(CURDIR)/.built_for
endif

$(CURDIR)/.built_for:
	@echo '$(built_for)' >$@

$(OBJS): $(wildcard $(tree)/src/*/*.h) $(tree)/Makefile $(CURDIR)/.built_for | libraries

else # no PGXS

all install installdirs uninstall installcheck $(OBJS):
	@echo "$(PG_CONFIG) names no PostgreSQL with its server headers." >&2
	@echo "On Debian: apt-get install postgresql-server-dev-all, or set PG_CONFIG." >&2
	@exit 1

clean:
	rm -f $(OBJS) crisp_fdw.so $(DATA_built) $(EXTRA_CLEAN)

# There is a directory of that name, too.
.PHONY: all install installdirs uninstall installcheck clean

endif # PGXS

clean: clean-sandbox

endif # a target that needs PGXS

libraries:
	@$(PKG_CONFIG) --version >/dev/null || { \
	  echo "$(PKG_CONFIG) is missing.  On Debian: apt-get install pkg-config" >&2; exit 1; }
	@$(PKG_CONFIG) --exists --print-errors $(LIBRARIES) || { \
	  echo "On Debian: apt-get install libcurl4-openssl-dev libjson-c-dev" >&2; exit 1; }

sandbox:
	$(MAKE) -C $(tree)/sandbox

clean-sandbox:
	$(MAKE) -C $(tree)/sandbox clean

# exec: a signal that make passes on reaches the script, not a shell above it.
demo test lint:
	@exec env PG_CONFIG='$(PG_CONFIG)' ONLY='$(ONLY)' TESTS='$(TESTS)' '$(tree)/tools/$@.sh'

fuzz:
	@exec env PG_CONFIG='$(PG_CONFIG)' FUZZ_SECONDS='$(SECONDS)' TARGETS='$(TARGETS)' '$(tree)/tools/fuzz.sh'

matrix:
	@exec env ONLY='$(ONLY)' TESTS='$(TESTS)' '$(tree)/tools/matrix.sh' $(VERSIONS)

builds:
	@exec env WAYS='$(WAYS)' '$(tree)/tools/builds.sh' $(VERSIONS)

sanitize:
	@exec env ONLY='$(ONLY)' TESTS='$(TESTS)' QUICK='$(QUICK)' STRAIN='$(STRAIN)' STATEMENTS='$(STATEMENTS)' \
	  KINDS='$(KINDS)' '$(tree)/tools/sanitize.sh'

soak sqlsmith memory:
	@exec env PG_CONFIG='$(PG_CONFIG)' MINUTES='$(MINUTES)' STATEMENTS='$(STATEMENTS)' KINDS='$(KINDS)' \
	  '$(tree)/tools/strain.sh' $@

bench:
	@exec env PG_CONFIG='$(PG_CONFIG)' QUICK='$(QUICK)' '$(tree)/bench/bench.sh'

format:
	@exec env PG_CONFIG='$(PG_CONFIG)' '$(tree)/tools/lint.sh' --format

dist deb release:
	@exec env PG_CONFIG='$(PG_CONFIG)' '$(tree)/tools/release.sh' $@ '$(version)'

help:
	@sed -n '3,/^$$/s/^# \{0,1\}//p' $(tree)/Makefile

.PHONY: libraries sandbox clean-sandbox demo test fuzz matrix builds sanitize soak sqlsmith memory \
	bench lint format dist deb release help
