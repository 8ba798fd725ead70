# pgtunsync: PGXS build.  `make && sudo make install`; `make installcheck` needs the servers that test/check.sh starts.

EXTENSION = pgtunsync
EXTVERSION = 0.1.0

MODULE_big = pgtunsync
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*/*.c)))

DATA = $(filter-out sql/$(EXTENSION)--$(EXTVERSION).sql, $(wildcard sql/$(EXTENSION)--*--*.sql))
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql

DOCS = $(wildcard doc/*.md doc/*.svg)

REGRESS = $(patsubst sql/test_%.sql,test_%,$(wildcard sql/test_*.sql))
REGRESS_OPTS = --inputdir=.

PG_CONFIG ?= pg_config
PG_CPPFLAGS = -I$(CURDIR)/src -MMD -MP -I$(libpq_srcdir) $(shell pkg-config --cflags libssh2 yaml-0.1 2>/dev/null)
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers $(if $(WERROR),-Werror)
SHLIB_LINK = $(libpq) $(shell pkg-config --libs libssh2 yaml-0.1 2>/dev/null || echo -lssh2 -lyaml)

EXTRA_CLEAN = sql/$(EXTENSION)--$(EXTVERSION).sql $(OBJS:.o=.d)

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# the pages link to each other: a directory of their own keeps them together
docmoduledir := extension/$(EXTENSION)

uninstall: uninstall-doc
.PHONY: uninstall-doc
uninstall-doc:
	rm -rf '$(DESTDIR)$(docdir)/$(docmoduledir)'

-include $(OBJS:.o=.d)

sql/$(EXTENSION)--$(EXTVERSION).sql: sql/$(EXTENSION).sql
	cp $< $@
