/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_CHART_H
#define DITTO_CHART_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { CHART_PROMISED, CHART_RESIDENT, CHART_HELD, CHART_LINES };

/**
 * struct chart_point - memory at one moment
 * @time: in seconds
 * @bytes: of each line
 */
struct chart_point {
	double time;
	double bytes[CHART_LINES];
};

/**
 * struct chart - memory over time
 * @point, @count: in the order of time; owned
 * @room: for so many
 * @least: the least that there could be, or 0: is not shown
 */
struct chart {
	struct chart_point *point;
	size_t count, room;
	uint64_t least;
};

int chart_add(struct chart *chart, const struct chart_point *point);
void chart_write(const struct chart *chart, FILE *out);
void chart_free(struct chart *chart);

#endif
