/*-------------------------------------------------------------------------
 *
 * index.c
 *		An hnsw index in use: the metapage and the entry point.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "am/am.h"
#include "am/buffer.h"
#include "am/index.h"
#include "am/pending_cache.h"
#include "am/room.h"
#include "am/vertex.h"
#include "am/wal.h"
#include "miscadmin.h"

/* Room for neighbours; stands on the metapage, for other versions to choose. */
#define UPPER_SLOTS(m)	(m)

static int
code_bits_of(const HnrMetric *metric, int dims)
{
	return metric->coded ? hnr_layout_choose_bits(dims) : 0;
}

static void
compute_layout(HnrIndex *index)
{
	HnrMetaPage *meta = &index->meta;

	if (!hnr_layout_compute(&index->layout, meta))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a vertex of %d dimensions with m = %d exceeds %d pages",
						hnr_meta_dims(meta), meta->m, HNR_MAX_PARTS),
				 errhint("Use a smaller m.")));
	index->codec = hnr_codec_create(index->metric, &index->layout, meta->seed);
}

/* Whether the room for vectors is there if, and only if, they vary. */
static bool
room_is_possible(const HnrMetric *metric, const HnrMetaPage *meta)
{
	if (metric->type->words == NULL)
		return meta->room == 0;
	return meta->room >= 1 && meta->room <= hnr_room_most(meta->m) &&
		meta->room <= metric->type->width(hnr_meta_dims(meta));
}

const char *
hnr_index_meta_problem(Relation rel, const HnrMetaPage *meta)
{
	const HnrMetric *metric = hnr_metric_of_index(rel);
	int			declared = TupleDescAttr(RelationGetDescr(rel), 0)->atttypmod;

	if (meta->magic != HNR_MAGIC)
		return "The metapage has no valid magic number.";
	/* what else stands on it depends on the version */
	if (meta->version != HNR_FORMAT_VERSION)
		return NULL;
	if (meta->metric != metric->kind || meta->element != metric->type->element ||
		hnr_meta_dims(meta) < 1 || hnr_meta_dims(meta) > metric->type->max_dims)
		return "The metapage contradicts the operator class.";
	/* a column's dimensions can be given up without a new index, but not be changed */
	if (declared >= 0 && hnr_meta_dims(meta) != declared)
		return "The metapage names other dimensions than the column has.";
	if (meta->encoding < HNR_ENCODING_FLOAT || meta->encoding > HNR_ENCODING_LAST)
		return "The metapage names an encoding of vectors that does not exist.";
	if (meta->m < HNR_MIN_M || meta->m > HNR_MAX_M ||
		meta->ef_construction < HNR_MIN_EF_CONSTRUCTION ||
		meta->ef_construction > HNR_MAX_EF_CONSTRUCTION ||
		meta->slots_ground != hnr_layout_choose_slots(meta) ||
		meta->slots_upper != UPPER_SLOTS(meta->m))
		return "The metapage names parameters that no index has.";
	if (!room_is_possible(metric, meta))
		return "The metapage names a room for vectors that no vertex has.";
	if (meta->code_bits != code_bits_of(metric, hnr_meta_dims(meta)))
		return "The metapage names another code than vectors of these dimensions have.";
	if (meta->entry_level < -1 || meta->entry_level > HNR_MAX_LEVEL)
		return "The metapage names an entry point at a level that does not exist.";
	return NULL;
}

static void
check_meta(Relation rel, const HnrMetaPage *meta)
{
	const char *problem = hnr_index_meta_problem(rel, meta);

	if (problem)
		hnr_report_corrupted(rel, HNR_METAPAGE, problem);
	if (meta->version != HNR_FORMAT_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" has format version %u, this library reads version %d",
						RelationGetRelationName(rel), meta->version, HNR_FORMAT_VERSION),
				 errhint("Rebuild the index with rebuild_index() or REINDEX.")));
}

void
hnr_index_read_meta(HnrIndex *index)
{
	Buffer		buf = hnr_buffer_read(index->rel, HNR_METAPAGE, BUFFER_LOCK_SHARE,
									  HNR_KIND_BIT(HNR_PAGE_META));

	index->meta = *hnr_page_meta(BufferGetPage(buf));
	index->entry_known = true;
	hnr_buffer_release(buf);
}

HnrIndex *
hnr_index_open(Relation rel)
{
	HnrIndex   *index = palloc0(sizeof(HnrIndex));

	index->rel = rel;
	index->metric = hnr_metric_of_index(rel);
	hnr_index_read_meta(index);
	check_meta(rel, &index->meta);
	compute_layout(index);
	return index;
}

static HnrEntry
meta_entry(const HnrMetaPage *meta)
{
	HnrEntry	entry;

	entry.tid = meta->entry;
	entry.level = meta->entry_level;
	return entry;
}

HnrEntry
hnr_index_entry(HnrIndex *index)
{
	Buffer		buf;
	HnrEntry	entry;

	if (index->entry_known)
	{
		index->entry_known = false;
		return meta_entry(&index->meta);
	}
	buf = hnr_buffer_read(index->rel, HNR_METAPAGE, BUFFER_LOCK_SHARE,
						  HNR_KIND_BIT(HNR_PAGE_META));
	entry = meta_entry(hnr_page_meta(BufferGetPage(buf)));
	hnr_buffer_release(buf);
	return entry;
}

bool
hnr_index_below_entry(HnrIndex *index, HnrEntry entry, ItemPointer ground)
{
	const HnrVertex *v;
	Buffer		buf;

	*ground = entry.tid;
	if (entry.level == 0)
		return true;
	buf = hnr_buffer_read(index->rel, ItemPointerGetBlockNumber(&entry.tid), BUFFER_LOCK_SHARE,
						  HNR_KIND_BIT(HNR_PAGE_UPPER));
	v = hnr_vertex_standing(&index->layout.upper, BufferGetPage(buf),
							ItemPointerGetOffsetNumber(&entry.tid));
	if (v)
		*ground = v->tids[0];
	hnr_buffer_release(buf);
	return v != NULL;
}

/* The declared dimensions of the key column, checked against the metric's limit. */
static int
declared_dims(Relation rel, const HnrMetric *metric)
{
	int			dims = TupleDescAttr(RelationGetDescr(rel), 0)->atttypmod;

	if (dims < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column does not have dimensions"),
				 errhint("Declare the column as %s(n), or index an expression cast to %s(n).",
						 metric->type->name, metric->type->name)));
	if (dims > metric->type->max_dims)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("column cannot have more than %d dimensions for hnsw index",
						metric->type->max_dims),
				 errdetail("The column has %d dimensions.", dims)));
	return dims;
}

HnrIndex *
hnr_index_plan(Relation rel, HnrEncoding encoding)
{
	HnrIndex   *index = palloc0(sizeof(HnrIndex));
	HnrMetaPage *meta = &index->meta;
	int			m = hnr_option_m(rel);
	int			ef_construction = hnr_option_ef_construction(rel);

	if (ef_construction < 2 * m)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ef_construction must be greater than or equal to 2 * m"),
				 errdetail("ef_construction is %d, m is %d.", ef_construction, m)));
	hnr_metric_check(rel);
	index->rel = rel;
	index->building = true;
	index->metric = hnr_metric_of_index(rel);
	meta->magic = HNR_MAGIC;
	meta->version = HNR_FORMAT_VERSION;
	hnr_meta_set_dims(meta, declared_dims(rel, index->metric));
	meta->metric = index->metric->kind;
	meta->element = index->metric->type->element;
	meta->code_bits = code_bits_of(index->metric, hnr_meta_dims(meta));
	meta->m = m;
	meta->ef_construction = ef_construction;
	if (encoding == HNR_ENCODING_FLOAT && index->metric->half_is_exact)
		encoding = HNR_ENCODING_HALF;
	meta->encoding = encoding;
	if (index->metric->type->words)
		meta->room = hnr_room_default(m, index->metric->type->width(hnr_meta_dims(meta)));
	meta->slots_ground = hnr_layout_choose_slots(meta);
	meta->slots_upper = UPPER_SLOTS(m);
	meta->seed = HNR_DEFAULT_SEED;
	meta->entry_level = -1;
	ItemPointerSetInvalid(&meta->entry);
	meta->pending_head = InvalidBlockNumber;
	meta->pending_tail = InvalidBlockNumber;
	compute_layout(index);
	return index;
}

void
hnr_index_write_meta(HnrIndex *index, ForkNumber fork)
{
	Buffer		buf;
	Page		page;

	/* the same file, if the transaction has made it and truncates it */
	hnr_pending_cache_forget(index->rel);
	hnr_buffer_extend(index->rel, fork, 1, NULL, &buf);
	Assert(BufferGetBlockNumber(buf) == HNR_METAPAGE);
	START_CRIT_SECTION();
	page = BufferGetPage(buf);
	hnr_page_init(page, HNR_PAGE_META, sizeof(HnrMetaPage));
	*hnr_page_meta(page) = index->meta;
	MarkBufferDirty(buf);
	/* an init fork is logged in any case: it is what a crash restores from */
	if (fork == INIT_FORKNUM)
		log_newpage_buffer(buf, true);
	END_CRIT_SECTION();
	hnr_buffer_release(buf);
}

void
hnr_index_set_room(HnrIndex *index, int room)
{
	Buffer		buf = hnr_buffer_read(index->rel, HNR_METAPAGE, BUFFER_LOCK_EXCLUSIVE,
									  HNR_KIND_BIT(HNR_PAGE_META));
	HnrChange	change;

	hnr_change_begin(&change, index->rel, index->building);
	hnr_page_meta(hnr_change_page(&change, buf, HNR_CHANGE_DELTA))->room = room;
	hnr_change_end(&change);
	hnr_buffer_release(buf);
	index->meta.room = room;
	compute_layout(index);
}

void
hnr_index_put_entry(HnrIndex *index, Buffer metabuf, HnrEntry entry)
{
	HnrChange	change;
	HnrMetaPage *meta;

	hnr_change_begin(&change, index->rel, index->building);
	meta = hnr_page_meta(hnr_change_page(&change, metabuf, HNR_CHANGE_DELTA));
	meta->entry = entry.tid;
	meta->entry_level = entry.level;
	hnr_change_end(&change);
	index->meta.entry = entry.tid;
	index->meta.entry_level = entry.level;
}

bool
hnr_index_entry_moved(HnrIndex *index, HnrEntry before)
{
	HnrEntry	now;

	index->entry_known = false;
	now = hnr_index_entry(index);
	return now.level != before.level || !hnr_same_tid(&now.tid, &before.tid);
}

void
hnr_index_set_entry(HnrIndex *index, HnrEntry entry, bool force)
{
	Buffer		buf = hnr_buffer_read(index->rel, HNR_METAPAGE, BUFFER_LOCK_EXCLUSIVE,
									  HNR_KIND_BIT(HNR_PAGE_META));

	if (force || entry.level > hnr_page_meta(BufferGetPage(buf))->entry_level)
		hnr_index_put_entry(index, buf, entry);
	hnr_buffer_release(buf);
}

void
hnr_index_replace_dead_entry(HnrIndex *index, bool (*is_dead) (ItemPointer tid, void *state),
							 void *state, HnrEntry replacement)
{
	Buffer		buf = hnr_buffer_read(index->rel, HNR_METAPAGE, BUFFER_LOCK_EXCLUSIVE,
									  HNR_KIND_BIT(HNR_PAGE_META));
	HnrEntry	entry = meta_entry(hnr_page_meta(BufferGetPage(buf)));

	if (entry.level >= 0 && is_dead(&entry.tid, state))
		hnr_index_put_entry(index, buf, replacement);
	hnr_buffer_release(buf);
}

/* Whether a vertex is live; takes a share lock on its page.  *ground is its ground vertex. */
static bool
vertex_is_live(HnrIndex *index, HnrEntry at, HnrEntry *ground)
{
	const HnrShape *shape = hnr_layout_shape(&index->layout, at.level);
	Buffer		buf = hnr_buffer_read(index->rel, ItemPointerGetBlockNumberNoCheck(&at.tid),
									  BUFFER_LOCK_SHARE, HNR_KIND_BIT(shape->kind));
	HnrVertex  *v;
	bool		live;

	hnr_vertex_check_position(index, shape, &at.tid);
	v = hnr_vertex_at(shape, BufferGetPage(buf), ItemPointerGetOffsetNumber(&at.tid));
	live = v->state == HNR_VERTEX_LIVE && v->level == at.level;
	ground->tid = at.level == 0 ? at.tid : v->tids[0];
	ground->level = 0;
	hnr_buffer_release(buf);
	return live;
}

/* Whether the entry point still leads anywhere: vacuum marks the ground first. */
static bool
entry_is_live(HnrIndex *index, HnrEntry entry)
{
	HnrEntry	ground;

	return vertex_is_live(index, entry, &ground) &&
		(entry.level == 0 || vertex_is_live(index, ground, &ground));
}

Buffer
hnr_index_lock_if_empty(HnrIndex *index)
{
	Buffer		buf = hnr_buffer_read(index->rel, HNR_METAPAGE, BUFFER_LOCK_EXCLUSIVE,
									  HNR_KIND_BIT(HNR_PAGE_META));
	HnrEntry	entry = meta_entry(hnr_page_meta(BufferGetPage(buf)));

	if (entry.level < 0 || !entry_is_live(index, entry))
		return buf;
	hnr_buffer_release(buf);
	return InvalidBuffer;
}
