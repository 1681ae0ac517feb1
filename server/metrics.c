/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics: all counters as Prometheus reads them (text format 0.0.4): the core's, the process's, the
 * modules'.
 *
 * Each thread counts for itself; sums are made here, when somebody asks. A module's metrics stay once it was
 * loaded, also when the configuration no longer names it: counters do not vanish.
 */
#include "metrics.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <time.h>

#include "generation.h"
#include "loader.h"
#include "process.h"

static const enum { COUNTER, GAUGE } core_kinds[] = {
#define X(ID, NAME, KIND, DOC) [COUNT_##ID] = KIND,
	COUNTERS(X)
#undef X
};

static const struct {
	const char *name, *doc;
} core[] = {
#define X(ID, NAME, KIND, DOC) [COUNT_##ID] = { NAME, DOC },
	COUNTERS(X)
#undef X
};

/* HELP and TYPE of weir_NAME, or weir_MODULE_NAME. A backslash or a line's end in the text is escaped. */
static void
describe(struct evbuffer *to, const char *module, const char *name, bool gauge, const char *doc)
{
	const char *line = gauge ? "gauge" : "counter", *between = module[0] != '\0' ? "_" : "";

	evbuffer_add_printf(to, "# HELP weir_%s%s%s ", module, between, name);
	for (; doc != NULL && *doc != '\0'; doc++)
		if (*doc == '\\' || *doc == '\n')
			evbuffer_add_printf(to, "\\%c", *doc == '\n' ? 'n' : '\\');
		else
			evbuffer_add(to, doc, 1);
	evbuffer_add_printf(to, "\n# TYPE weir_%s%s%s %s\n", module, between, name, line);
}

static void
write_one(struct evbuffer *to, const char *name, bool gauge, const char *doc, int64_t value)
{
	describe(to, "", name, gauge, doc);
	evbuffer_add_printf(to, "weir_%s %" PRId64 "\n", name, value);
}

static void
write_process(struct evbuffer *to, const struct process *p)
{
	describe(to, "", "build_info", true, "Always 1; the version is a label.");
	evbuffer_add_printf(to, "weir_build_info{version=\"%s\",abi=\"%d.%d\"} 1\n", PACKAGE_VERSION,
		WEIR_ABI_MAJOR, WEIR_ABI_MINOR);
	write_one(to, "start_time_seconds", true, "When the process started, in seconds since the epoch.",
		weir_time() - (weir_now() - p->started) / 1000);
	write_one(to, "threads", true, "Event threads.", p->threads.count);
	write_one(to, "generation", true, "Number of the configuration that serves.",
		(int64_t)p->current->number);
	write_one(to, "generations", true,
		"Configurations in memory: the one that serves and those with requests.", p->living_count);
	write_one(to, "draining", true, "1 while the process ends.", p->stopping);
	write_one(to, "reloads_total", false, "Reloads that succeeded.", (int64_t)p->reload.done);
	write_one(to, "reload_failures_total", false, "Reloads that were refused.",
		(int64_t)p->reload.failed);
}

static void
write_module(struct evbuffer *to, const struct process *p, const struct module *m)
{
	for (unsigned i = 0; i < m->metrics; i++) {
		const struct weir_metric *metric = &m->contract->metrics[i];

		describe(to, m->name, metric->name, metric->gauge, metric->doc);
		evbuffer_add_printf(to, "weir_%s_%s %" PRId64 "\n", m->name, metric->name,
			threads_metric(&p->threads, m->first_metric + i));
	}
}

void
metrics_write(struct evbuffer *to, const struct process *p)
{
	write_process(to, p);
	for (int i = 0; i < COUNTS; i++)
		write_one(to, core[i].name, core_kinds[i] == GAUGE, core[i].doc,
			(int64_t)threads_count(&p->threads, (enum counter)i));
	for (unsigned i = 0; i < p->modules->count; i++)
		write_module(to, p, p->modules->list[i]);
}
