# hnsw_rebuild: build with PGXS (make, make install, make installcheck), or let
# the scripts do everything on a private server: make demo, make test.
#
# DEBUG_POINTS=1 compiles in the named pauses of src/debug_point.h.

EXTENSION = hnsw_rebuild
EXTVERSION = 0.1.0
MODULE_big = hnsw_rebuild
PGFILEDESC = "hnsw_rebuild - vector types and a self-rebuilding HNSW index"

OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
INTERNAL_HEADERS = $(wildcard src/*.h src/*/*.h)

# The installation script is put together from one part per module, and one per
# type: what types have in common is a template, with @TYPE@ for their name.
DENSE_TYPES = build/sql/vector.sql build/sql/halfvec.sql
SPARSE_TYPES = build/sql/sparsevec.sql
OPCLASSES = build/sql/vector_ops.sql build/sql/halfvec_ops.sql build/sql/sparsevec_ops.sql
SQL_PARTS = $(DENSE_TYPES) $(SPARSE_TYPES) src/sql/types_bit.sql \
	src/sql/am.sql $(OPCLASSES) src/sql/opclasses_bit.sql src/sql/rebuild.sql \
	src/sql/monitor.sql src/sql/verify.sql
FRESH_SQL = $(EXTENSION)--$(EXTVERSION).sql
# From pgvector: CREATE EXTENSION ... VERSION 'pgvector', ALTER EXTENSION ... UPDATE.
MIGRATE_CHECK_SQL = $(EXTENSION)--pgvector.sql
MIGRATE_SQL = $(EXTENSION)--pgvector--$(EXTVERSION).sql
DATA_built = $(FRESH_SQL) $(MIGRATE_CHECK_SQL) $(MIGRATE_SQL)

PG_CPPFLAGS = -Isrc $(if $(filter 1,$(DEBUG_POINTS)),-DHNR_DEBUG_POINTS)
# The three exceptions are what the server's own headers trip over.
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -ftree-vectorize -fno-math-errno
EXTRA_CLEAN = build hnsw_rebuild--*.sql

# Tests named *_debug need debug points; `make test` runs them as well.
REGRESS = $(filter-out %_debug,$(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql))))
REGRESS_OPTS = --load-extension=$(EXTENSION)

# These goals set up, build and start what they need by themselves, so they must
# work where no PostgreSQL is installed yet.
SCRIPT_GOALS = demo test test-long bench check-source

ifneq ($(filter-out $(SCRIPT_GOALS),$(or $(MAKECMDGOALS),all)),)
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Other flags than the last build's: compile anew.
FLAGS_NOW := $(PG_CONFIG) $(DEBUG_POINTS) $(CC) $(CFLAGS) $(COPT)
$(shell mkdir -p build; echo '$(FLAGS_NOW)' | cmp -s - build/flags || echo '$(FLAGS_NOW)' > build/flags)

$(OBJS) $(OBJS:.o=.bc): $(INTERNAL_HEADERS) build/flags

define fill_in
mkdir -p $(@D)
sed 's/@TYPE@/$*/g' $^ > $@
endef
$(DENSE_TYPES): build/sql/%.sql: src/sql/type.sql.in src/sql/type_dense.sql.in src/sql/type_%.sql
	$(fill_in)
$(SPARSE_TYPES): build/sql/%.sql: src/sql/type.sql.in src/sql/type_%.sql
	$(fill_in)
$(OPCLASSES): build/sql/%_ops.sql: src/sql/opclasses.sql.in
	$(fill_in)

# The Makefile lists the parts, and PGXS has make overlook parts that are not there.
$(FRESH_SQL) $(MIGRATE_SQL): Makefile

$(FRESH_SQL): src/sql/types.sql $(SQL_PARTS)
	cat src/sql/types.sql $(SQL_PARTS) > $@

$(MIGRATE_CHECK_SQL): src/sql/migrate_check.sql
	cp $< $@

$(MIGRATE_SQL): src/sql/migrate_before.sql $(SQL_PARTS) src/sql/migrate_after.sql src/sql/adopt.awk
	cat src/sql/migrate_before.sql > $@
	awk -f src/sql/adopt.awk $(SQL_PARTS) >> $@
	cat src/sql/migrate_after.sql >> $@
endif

# make demo [NPY=base.npy[,query.npy]]
demo:
	@test/demo/run $(NPY)

# make test [PG_CONFIG=…] [ONLY="source unit regress isolation tap bench"]
test:
	@test/lib/run $(ONLY)

test-long:
	@test/lib/run long

# make bench [NPY="base.npy[,query.npy[,l2|cosine|ip]] …"], see test/bench/README.md
bench:
	@test/bench/run $(NPY)

# The checks that need no server.
check-source:
	@test/lib/check_source

.PHONY: $(SCRIPT_GOALS)
