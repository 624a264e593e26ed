// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory over time as a picture (SVG): lines, axes with units, a legend. It has colours for light
 * and dark backgrounds, which the viewer chooses between, and no scripts, fonts or references.
 */
#include "chart.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH		840
#define HEIGHT		400
#define LEFT		76
#define RIGHT		16
#define TOP		44
#define BOTTOM		48
#define TICKS		6	/* at most, of an axis */
#define POINTS_MAX	1000	/* of a line: more than it has pixels */

/**
 * struct axis - from a quantity to a place
 * @from, @to: what the ends mean, in the unit
 * @step: between two marks
 * @unit: its name
 * @scale: how much of the quantity it is
 */
struct axis {
	double from, to, step, scale;
	const char *unit;
};

static const char *const line_labels[CHART_LINES] = {
	[CHART_PROMISED] = "promised", [CHART_RESIDENT] = "resident", [CHART_HELD] = "held",
};

/**
 * chart_add() - one more moment
 * @chart: all of them
 * @point: not before the last one
 *
 * Return: 0 or -1: no memory.
 */
int chart_add(struct chart *chart, const struct chart_point *point)
{
	if (chart->count == chart->room) {
		size_t room = chart->room ? 2 * chart->room : 64;
		struct chart_point *bigger = reallocarray(chart->point, room, sizeof(*bigger));

		if (!bigger)
			return -1;
		chart->point = bigger;
		chart->room = room;
	}
	chart->point[chart->count++] = *point;
	return 0;
}

/**
 * chart_free() - forget it
 * @chart: the chart
 */
void chart_free(struct chart *chart)
{
	free(chart->point);
	*chart = (struct chart){ 0 };
}

static double greater(double a, double b)
{
	return a > b ? a : b;
}

/* 1, 2 or 5 times a power of ten, so that there are not more marks than can be read. */
static double step_of(double span)
{
	static const int digits[] = { 1, 2, 5 };

	for (double ten = 0.1;; ten *= 10)
		for (size_t i = 0; i < ARRAY_SIZE(digits); i++)
			if (span <= digits[i] * ten * TICKS)
				return digits[i] * ten;
}

static struct axis axis_of_bytes(const struct chart *chart)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
	struct axis axis = { .scale = KIB };
	double most = chart->least;
	size_t unit = 0;

	for (size_t i = 0; i < chart->count; i++)
		for (size_t l = 0; l < CHART_LINES; l++)
			most = greater(most, chart->point[i].bytes[l]);
	while (most / axis.scale >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		axis.scale *= 1024;
		unit++;
	}
	most = greater(most / axis.scale, 1);
	axis.unit = units[unit];
	axis.step = step_of(most);
	axis.to = (long)(most / axis.step) * axis.step;
	if (axis.to < most)
		axis.to += axis.step;
	return axis;
}

/* Minutes have sixty seconds, so a step of fifty would be hard to read. */
static double step_of_time(double span)
{
	static const double steps[] = { 15, 30, 60, 120, 300 };

	if (span <= 10 * TICKS)
		return step_of(span);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (span / steps[i] <= TICKS)
			return steps[i];
	return step_of(span);
}

static struct axis axis_of_time(const struct chart *chart)
{
	double span = greater(chart->point[chart->count - 1].time - chart->point[0].time, 1);
	struct axis axis = { .scale = 1, .unit = "s" };

	if (span > 7200) {
		axis.scale = 3600;
		axis.unit = "h";
	} else if (span > 600) {
		axis.scale = 60;
		axis.unit = "min";
	}
	axis.to = span / axis.scale;
	axis.step = step_of_time(axis.to);
	return axis;
}

static double place_of_time(const struct axis *axis, double value)
{
	return LEFT + value / axis->to * (WIDTH - LEFT - RIGHT);
}

static double place_of_bytes(const struct axis *axis, double value)
{
	return HEIGHT - BOTTOM - value / axis->to * (HEIGHT - TOP - BOTTOM);
}

static void write_head(FILE *out)
{
	/* The first is a name, which nobody looks for anything at. */
	fprintf(out, "<svg xmlns=\"http:" "//www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
		"width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"memory over time\">\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT);
	fputs("<title>Memory of machines over time</title>\n"
	      "<style>\n"
	      "svg { font: 13px sans-serif } .paper { fill: #fff }\n"
	      "text { fill: #333 } .grid { stroke: #ddd } .axis { stroke: #666 }\n"
	      "polyline, .least, .key { fill: none; stroke-width: 2 }\n"
	      ".l0 { stroke: #767676 } .l1 { stroke: #b35900 } .l2 { stroke: #0060b0 }\n"
	      ".least { stroke: #1a7f37; stroke-dasharray: 6 4 }\n"
	      "@media (prefers-color-scheme: dark) {\n"
	      ".paper { fill: #111 }\n"
	      "text { fill: #ccc } .grid { stroke: #333 } .axis { stroke: #999 }\n"
	      ".l0 { stroke: #9a9a9a } .l1 { stroke: #ff9f45 } .l2 { stroke: #58a6ff }\n"
	      ".least { stroke: #3fb950 }\n"
	      "}\n"
	      "</style>\n"
	      "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n", out);
}

static void write_axis_of_bytes(const struct axis *axis, FILE *out)
{
	for (int i = 0; i * axis->step <= axis->to * 1.0001; i++) {
		double y = place_of_bytes(axis, i * axis->step);

		fprintf(out, "<line class=\"%s\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>"
			"<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
			i ? "grid" : "axis", LEFT, y, WIDTH - RIGHT, y, LEFT - 8, y + 4,
			i * axis->step);
	}
	fprintf(out, "<text x=\"20\" y=\"%d\" text-anchor=\"middle\" "
		"transform=\"rotate(-90 20 %d)\">memory (%s)</text>\n",
		(TOP + HEIGHT - BOTTOM) / 2, (TOP + HEIGHT - BOTTOM) / 2, axis->unit);
}

static void write_axis_of_time(const struct axis *axis, FILE *out)
{
	for (int i = 0; i * axis->step <= axis->to * 1.0001; i++) {
		double x = place_of_time(axis, i * axis->step);

		fprintf(out, "<line class=\"axis\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>"
			"<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
			x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 5, x, HEIGHT - BOTTOM + 20,
			i * axis->step);
	}
	fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">time (%s)</text>\n",
		(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, axis->unit);
}

static void write_key(FILE *out, int number, const char *class, const char *label)
{
	int x = LEFT + 150 * number;

	fprintf(out, "<line class=\"key %s\" x1=\"%d\" y1=\"22\" x2=\"%d\" y2=\"22\"/>"
		"<text x=\"%d\" y=\"26\">%s</text>\n", class, x, x + 28, x + 36, label);
}

/* Of so many points as have one place, the highest. */
static const struct chart_point *highest(const struct chart *chart, size_t from, size_t to,
					 size_t line)
{
	size_t best = from;

	for (size_t i = from; i < to; i++)
		if (chart->point[i].bytes[line] > chart->point[best].bytes[line])
			best = i;
	return &chart->point[best];
}

static void write_line(const struct chart *chart, size_t line, const struct axis *bytes,
		       const struct axis *time, FILE *out)
{
	size_t each = (chart->count + POINTS_MAX - 1) / POINTS_MAX;

	fprintf(out, "<polyline class=\"l%zu\" points=\"", line);
	for (size_t i = 0; i < chart->count; i += each) {
		size_t end = i + each < chart->count ? i + each : chart->count;
		const struct chart_point *p = highest(chart, i, end, line);
		double at = (p->time - chart->point[0].time) / time->scale;

		fprintf(out, "%s%.1f,%.1f", i ? " " : "", place_of_time(time, at),
			place_of_bytes(bytes, p->bytes[line] / bytes->scale));
	}
	fputs("\"/>\n", out);
}

/**
 * chart_write() - as SVG
 * @chart: has a point at least
 * @out: where to
 */
void chart_write(const struct chart *chart, FILE *out)
{
	struct axis bytes = axis_of_bytes(chart), time = axis_of_time(chart);
	char label[64], class[8], size[16];

	write_head(out);
	write_axis_of_bytes(&bytes, out);
	write_axis_of_time(&time, out);
	for (size_t line = 0; line < CHART_LINES; line++) {
		write_line(chart, line, &bytes, &time, out);
		snprintf(class, sizeof(class), "l%zu", line);
		write_key(out, line, class, line_labels[line]);
	}
	if (chart->least) {
		double y = place_of_bytes(&bytes, chart->least / bytes.scale);

		fprintf(out, "<line class=\"least\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" "
			"y2=\"%.1f\"/>\n", LEFT, y, WIDTH - RIGHT, y);
		snprintf(label, sizeof(label), "least possible, %s",
			 format_size(chart->least, size, sizeof(size)));
		write_key(out, CHART_LINES, "least", label);
	}
	fputs("</svg>\n", out);
}
