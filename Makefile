# pgtunsync: PGXS build.
#
#   make && sudo make install
#   make check                                 all tests, from a fresh copy of the tree
#   make check TEST=test/t/021_interface.pl    these tests, after an incremental build in the tree
#   make dist                                  the committed tree as a zip for PGXN
#   make coverage                              which lines and branches the tests reach
#
# PG_CONFIG names another server for each of them.

EXTENSION = pgtunsync
EXTVERSION = 0.2.0

MODULE_big = pgtunsync
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*/*.c)))

DATA = $(filter-out sql/$(EXTENSION)--$(EXTVERSION).sql, $(wildcard sql/$(EXTENSION)--*--*.sql))
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql

DOCS = $(wildcard doc/*.md doc/*.svg)

REGRESS = $(patsubst sql/test_%.sql,test_%,$(wildcard sql/test_*.sql))
REGRESS_OPTS = --inputdir=.

# bitcode lets queries inline functions; none of these is called row by row
override with_llvm = no

PG_CONFIG ?= pg_config
ifeq ($(PG_CONFIG),)
$(error PG_CONFIG is empty)
endif
PG_CPPFLAGS = -I$(CURDIR)/src -MMD -MP -I$(libpq_srcdir) $(shell pkg-config --cflags libssh2 yaml-0.1 2>/dev/null)
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -fvisibility=hidden $(if $(WERROR),-Werror)
SHLIB_LINK = $(libpq) $(shell pkg-config --libs libssh2 yaml-0.1 2>/dev/null || echo -lssh2 -lyaml)

EXTRA_CLEAN = sql/$(EXTENSION)--$(EXTVERSION).sql $(OBJS:.o=.d) .built_for

# PGXS has a target "check", too, which only fails
ifeq ($(filter check coverage dist,$(MAKECMDGOALS)),)
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# the pages link to each other: a directory of their own keeps them together
docmoduledir := extension/$(EXTENSION)

uninstall: uninstall-doc
.PHONY: uninstall-doc
uninstall-doc:
	rm -rf '$(DESTDIR)$(docdir)/$(docmoduledir)'

# Objects for another server, or with other flags, are compiled anew.
BUILT_FOR := $(shell $(PG_CONFIG) --version) $(shell $(PG_CONFIG) --includedir-server) \
	$(filter-out -Werror,$(PG_CFLAGS)) $(PROFILE) $(COPT)
ifneq ($(strip $(BUILT_FOR)),$(strip $(file <.built_for)))
$(file >.built_for,$(BUILT_FOR))
endif
$(OBJS): .built_for

-include $(OBJS:.o=.d)

sql/$(EXTENSION)--$(EXTVERSION).sql: sql/$(EXTENSION).sql
	cp $< $@

else
.PHONY: check coverage dist
# the scripts have flags of their own for make
script = @env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL PG_CONFIG=$(PG_CONFIG)
check:
	$(script) test/check.sh $(if $(TEST),--in-tree $(TEST))
coverage:
	$(script) test/coverage.sh $(TEST)
dist:
	git archive --format=zip --prefix=$(EXTENSION)-$(EXTVERSION)/ -o $(EXTENSION)-$(EXTVERSION).zip HEAD
endif
