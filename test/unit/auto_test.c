/*-------------------------------------------------------------------------
 *
 * auto_test.c
 *		The auto-rebuild decision, advice and the k-smallest heap, without a server.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/advice.h"
#include "monitor/auto.h"
#include "recall/topk.h"

static int	tests = 0;
static int	failures = 0;

static void
report(bool pass, const char *what, const char *detail)
{
	tests++;
	if (!pass)
		failures++;
	printf("%s %d - %s\n", pass ? "ok" : "not ok", tests, what);
	if (!pass)
		printf("# %s\n", detail);
}

/* An index that has been measured 30 % degraded just now, threshold 20 %. */
static HnrAutoFigures
degraded(void)
{
	HnrAutoFigures f = {
		.threshold = 0.2,.min_rows = 1000,.min_changed = 0.05,.cooldown = 3600,
		.rows = 100000,.since_rebuild = -1,.since_failure = -1,
		.measured = true,.fresh = true,.degradation = 0.3,.std_error = 0.01
	};

	return f;
}

static void
expect(const char *what, HnrAutoFigures f, HnrAutoVerdict verdict)
{
	HnrAutoDecision d = hnr_auto_decide(&f);
	char		detail[400];

	snprintf(detail, sizeof(detail), "got \"%s\": %s",
			 hnr_auto_verdict_name(d.verdict), d.reason);
	report(d.verdict == verdict && d.reason[0] != '\0', what, detail);
}

static void
test_threshold(void)
{
	HnrAutoFigures f = degraded();

	expect("over the threshold: rebuild", f, HNR_AUTO_REBUILD);
	f.degradation = 0.2;
	expect("exactly at the threshold: fine", f, HNR_AUTO_FINE);
	f.threshold = 0;
	f.degradation = 0.03;
	expect("threshold 0: any degradation is over it", f, HNR_AUTO_REBUILD);
	f.degradation = 0;
	expect("threshold 0 and no degradation: fine", f, HNR_AUTO_FINE);
	f = degraded();
	f.threshold = 1;
	f.degradation = 1;
	expect("threshold 1 is never exceeded", f, HNR_AUTO_FINE);
	f.threshold = -1;
	expect("no threshold: off", f, HNR_AUTO_OFF);
}

static void
test_obstacles(void)
{
	HnrAutoFigures f = degraded();

	f.rebuilding = true;
	expect("a rebuild is running: busy", f, HNR_AUTO_BUSY);
	f = degraded();
	f.rows = 999;
	expect("below the minimum size", f, HNR_AUTO_TOO_SMALL);
	f.rows = 1000;
	expect("at the minimum size", f, HNR_AUTO_REBUILD);
	f = degraded();
	f.since_rebuild = 3599;
	expect("within the cool-down", f, HNR_AUTO_COOLING_DOWN);
	f.since_rebuild = 3600;
	expect("after the cool-down", f, HNR_AUTO_REBUILD);
	f.failures = 1;
	f.since_failure = 3000;
	expect("after a failure: the cool-down", f, HNR_AUTO_BACKING_OFF);
	f.since_failure = 3700;
	expect("after a failure and its wait", f, HNR_AUTO_REBUILD);
	f.failures = 2;
	expect("a second failure doubles the wait", f, HNR_AUTO_BACKING_OFF);
	f.failures = 60;
	f.since_failure = HNR_AUTO_MAX_BACKOFF - 1;
	expect("many failures: up to a day", f, HNR_AUTO_BACKING_OFF);
	f.since_failure = HNR_AUTO_MAX_BACKOFF;
	expect("many failures: no longer than a day", f, HNR_AUTO_REBUILD);
	report(hnr_auto_backoff(1, 0) == HNR_AUTO_MIN_BACKOFF,
		   "no cool-down: failures still wait", "");
	report(hnr_auto_backoff(5, 200000) == 200000,
		   "a cool-down over the longest back-off stands", "");
}

static void
test_measuring(void)
{
	HnrAutoFigures f = degraded();

	f.fresh = f.measured = false;
	expect("never measured: measure", f, HNR_AUTO_MEASURE);
	f.since_rebuild = 10;
	expect("no measuring within the cool-down", f, HNR_AUTO_COOLING_DOWN);
	f = degraded();
	f.fresh = false;
	f.degradation = 0.1;
	f.changed = 5000;
	expect("few rows changed: the last measurement stands", f, HNR_AUTO_FINE);
	f.changed = 5001;
	expect("enough rows changed: measure", f, HNR_AUTO_MEASURE);
	f.degradation = 0.3;
	f.changed = 0;
	expect("few rows changed, the last measurement asks for a rebuild", f,
		   HNR_AUTO_REBUILD);
	f.min_changed = 0;
	expect("share 0 and nothing changed: no measuring", f, HNR_AUTO_REBUILD);
	f.changed = 1;
	expect("share 0 and one row changed: measure", f, HNR_AUTO_MEASURE);
}

static void
test_baseline(void)
{
	HnrAutoFigures f = degraded();

	f.has_baseline = true;
	f.baseline = 0.05;
	f.baseline_error = 0.01;
	expect("far worse than the last rebuild's result: rebuild", f, HNR_AUTO_REBUILD);
	f.baseline = 0.3;
	expect("no worse than the last rebuild's result", f, HNR_AUTO_INCURABLE);
	f.baseline = 0.26;
	expect("hardly worse: too little to win", f, HNR_AUTO_INCURABLE);
	f.baseline = 0.2;
	expect("worse by more than the least gain", f, HNR_AUTO_REBUILD);
	f.std_error = 0.05;
	expect("the same difference within the noise", f, HNR_AUTO_INCURABLE);
	f.threshold = 0.01;
	f.std_error = f.baseline_error = 0;
	f.degradation = 0.03;
	f.baseline = 0.015;
	expect("low threshold: the least gain is absolute", f, HNR_AUTO_INCURABLE);
}

/*
 * However the figures fall out, an index that degrades no further is rebuilt
 * once at most: simulated over many rounds of the launcher.
 */
static void
test_no_loop(void)
{
	HnrAutoFigures f = degraded();
	int			rebuilds = 0;

	f.cooldown = 0;
	for (int round = 0; round < 1000; round++)
	{
		f.fresh = true;
		f.degradation = 0.3 + 0.02 * sin(round);
		if (hnr_auto_decide(&f).verdict == HNR_AUTO_REBUILD)
		{
			rebuilds++;
			f.since_rebuild = 0;
			f.has_baseline = true;
			f.baseline = 0.3 + 0.02 * cos(round);
			f.baseline_error = 0.01;
		}
	}
	report(rebuilds == 1, "what a rebuild does not cure is rebuilt once", "");
}

static int
compare_floats(const void *a, const void *b)
{
	float		x = *(const float *) a;
	float		y = *(const float *) b;

	return (x > y) - (x < y);
}

static void
test_topk(void)
{
	bool		pass = true;

	srand(1);
	for (int round = 0; round < 2000; round++)
	{
		int			n = 1 + rand() % 60;
		int			k = 1 + rand() % 20;
		int			found = 0;
		float		all[60];
		float		heap[20];

		for (int i = 0; i < n; i++)
		{
			all[i] = (float) (rand() % 40) - 20;
			hnr_topk_offer(heap, &found, k, all[i]);
		}
		qsort(all, n, sizeof(float), compare_floats);
		pass = pass && found == (n < k ? n : k) && heap[0] == all[found - 1];
		qsort(heap, found, sizeof(float), compare_floats);
		pass = pass && memcmp(heap, all, sizeof(float) * found) == 0;
	}
	report(pass, "the k smallest of a stream", "");
}

static void
test_dead(void)
{
	HnrAutoFigures f = degraded();

	f.degradation = 0.1;
	f.surveyed = true;
	f.entries = 10000;
	f.dead = 999;
	expect("few dead rows: fine", f, HNR_AUTO_FINE);
	f.dead = 1000;
	expect("many dead rows: VACUUM", f, HNR_AUTO_VACUUM);
	f.surveyed = false;
	expect("dead rows not counted: fine", f, HNR_AUTO_FINE);
	f.surveyed = true;
	f.entries = f.dead = 99;
	expect("a small index: fine", f, HNR_AUTO_FINE);
	f.entries = f.dead = 1000;
	f.degradation = 0.3;
	expect("many dead rows, over the threshold: rebuild", f, HNR_AUTO_REBUILD);
	f.has_baseline = true;
	f.baseline = 0.3;
	expect("many dead rows, and no rebuild would help: VACUUM", f, HNR_AUTO_VACUUM);
}

static void
test_optimize(void)
{
	HnrAutoFigures f = degraded();

	f.since_optimize = -1;
	f.degradation = 0.15;
	expect("over half of the threshold, nothing known of before: fine", f, HNR_AUTO_FINE);
	f.has_reference = true;
	f.reference = 0.05;
	expect("over half of the threshold, and it was better: optimise", f, HNR_AUTO_OPTIMIZE);
	f.degradation = 0.1;
	expect("half of the threshold: fine", f, HNR_AUTO_FINE);
	f.degradation = 0.15;
	f.reference = 0.13;
	expect("it was hardly better: fine", f, HNR_AUTO_FINE);
	f.reference = 0.05;
	f.since_optimize = 3599;
	expect("optimised lately: fine", f, HNR_AUTO_FINE);
	f.since_optimize = 3601;
	f.optimized = true;
	f.optimized_to = 0.14;
	expect("optimising has not helped: fine", f, HNR_AUTO_FINE);
	f.optimized_to = 0.06;
	expect("it has, and is lost again: optimise", f, HNR_AUTO_OPTIMIZE);
	f.degradation = 0.25;
	expect("over the threshold: rebuild", f, HNR_AUTO_REBUILD);
}

static void
expect_advice(const char *what, HnrHealthFigures f, HnrAction action)
{
	HnrAdvice	a = hnr_advise(&f);
	char		detail[400];

	snprintf(detail, sizeof(detail), "got \"%s\": %s", hnr_action_name(a.action), a.reason);
	report(a.action == action && a.reason[0] != '\0', what, detail);
}

/* An index that has nothing, with a record of its fresh build. */
static HnrHealthFigures
healthy(void)
{
	HnrHealthFigures f = {
		.merge_threshold = 1000,.workers = true,.entries = 10000,.vertices = 10000,.pages = 5000,.measured = true,.recall = 0.95,
		.std_error = 0.005,.has_fresh = true,.fresh = 0.96,.fresh_error = 0.005,
		.optimized_to = -1,.threshold = -1
	};

	return f;
}

static void
test_advice(void)
{
	HnrHealthFigures f = healthy();

	expect_advice("nothing", f, HNR_ACTION_NONE);
	f.recall = 0.9;
	expect_advice("recall lost: optimise", f, HNR_ACTION_OPTIMIZE);
	f.optimized = true;
	f.optimized_to = 0.91;
	expect_advice("recall lost, which optimising has not cured: rebuild", f, HNR_ACTION_REBUILD);
	f.optimized_to = 0.95;
	expect_advice("recall lost since it was optimised: optimise", f, HNR_ACTION_OPTIMIZE);
	f.threshold = 0.05;
	expect_advice("recall lost, and more than asked for: rebuild", f, HNR_ACTION_REBUILD);
	f.threshold = -1;
	f.optimized = false;
	f.std_error = 0.05;
	expect_advice("perhaps lost: nothing", f, HNR_ACTION_NONE);
	f.std_error = 0.005;
	f.has_fresh = false;
	expect_advice("perhaps never there: nothing", f, HNR_ACTION_NONE);
	f.threshold = 0.05;
	expect_advice("perhaps never there, but asked for: rebuild", f, HNR_ACTION_REBUILD);
	f.has_fresh = true;
	f.fresh = 0.91;
	expect_advice("asked for, but never there: nothing", f, HNR_ACTION_NONE);
	f = healthy();
	f.pending = 400;
	expect_advice("pending rows: nothing", f, HNR_ACTION_NONE);
	f.stalled = true;
	expect_advice("pending rows that nobody merges: flush", f, HNR_ACTION_FLUSH);
	f.workers = false;
	expect_advice("nor can a worker: flush", f, HNR_ACTION_FLUSH);
	f.recall = 0.9;
	expect_advice("recall lost comes before them: optimise", f, HNR_ACTION_OPTIMIZE);
	f = healthy();
	f.pending = 600;
	expect_advice("nearly as many as there may be: flush", f, HNR_ACTION_FLUSH);
	f.pending = 0;
	f.recall = 0.5;
	f.busy = "rebuild";
	expect_advice("recall lost, but a rebuild is under way: nothing", f, HNR_ACTION_NONE);
	f = healthy();
	f.dead = 2000;
	f.recall = 0.5;
	expect_advice("dead rows come first: VACUUM", f, HNR_ACTION_VACUUM);
	f.dead = 0;
	f.cut_short = true;
	expect_advice("so does what VACUUM left", f, HNR_ACTION_VACUUM);
	f = healthy();
	f.unreachable = 100;
	expect_advice("few cannot be reached: nothing", f, HNR_ACTION_NONE);
	f.unreachable = 101;
	expect_advice("too many cannot be reached: optimise", f, HNR_ACTION_OPTIMIZE);
	f.unreachable = 0;
	f.pages_wasted = 1500;
	expect_advice("some room: nothing", f, HNR_ACTION_NONE);
	f.pages_wasted = 1501;
	expect_advice("much room: rebuild", f, HNR_ACTION_REBUILD);
	f.pages = f.pages_wasted = 1023;
	expect_advice("a small index with much room: nothing", f, HNR_ACTION_NONE);
	f.measured = false;
	expect_advice("not measured: nothing", f, HNR_ACTION_NONE);
}

int
main(void)
{
	test_threshold();
	test_obstacles();
	test_measuring();
	test_baseline();
	test_no_loop();
	test_dead();
	test_optimize();
	test_advice();
	test_topk();
	printf("1..%d\n", tests);
	return failures > 0;
}
