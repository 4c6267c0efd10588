EXTENSION = hnsw_rebuild
EXTVERSION = 0.1.0
MODULE_big = hnsw_rebuild
PGFILEDESC = "hnsw_rebuild - vector types and a self-rebuilding HNSW index"

OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
INTERNAL_HEADERS = $(wildcard src/*.h src/*/*.h)

# The installation script is put together from one part per module.
SQL_PARTS = src/sql/types_vector.sql src/sql/am.sql src/sql/rebuild.sql src/sql/monitor.sql
DATA_built = $(EXTENSION)--$(EXTVERSION).sql

PG_CPPFLAGS = -Isrc
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -ftree-vectorize -fno-math-errno
EXTRA_CLEAN = $(DATA_built)

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS): $(INTERNAL_HEADERS)

$(DATA_built): $(SQL_PARTS)
	cat $^ > $@
