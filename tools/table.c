// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables for people: collect the cells, then print every column as wide as
 * its widest cell. The last column is never padded, so lines have no trailing
 * blanks.
 */
#include "table.h"
#include "util.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/**
 * table_init() - begin a table
 * @t: the table
 * @align: one character per column, 'l' or 'r'; at most TABLE_COLUMNS; kept
 */
void table_init(struct table *t, const char *align)
{
	*t = (struct table){ .columns = strlen(align), .align = align };
}

/**
 * table_add() - append one cell; rows fill from left to right
 * @t: the table
 * @fmt: as for printf
 */
void table_add(struct table *t, const char *fmt, ...)
{
	va_list ap;
	int ret;

	if (t->count == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cells = reallocarray(t->cells, t->room, sizeof(*t->cells));
		if (!t->cells)
			abort();
	}
	va_start(ap, fmt);
	ret = vasprintf(&t->cells[t->count], fmt, ap);
	va_end(ap);
	if (ret < 0)
		abort();
	t->count++;
}

static void cell_print(const struct table *t, size_t i, int width, FILE *out)
{
	unsigned int column = i % t->columns;
	bool last = column == t->columns - 1;

	if (t->align[column] == 'r')
		fprintf(out, "%*s", width, t->cells[i]);
	else
		fprintf(out, "%-*s", last ? 0 : width, t->cells[i]);
	fputs(last ? "\n" : "  ", out);
}

/**
 * table_print() - write the table and free what it holds
 * @t: the table; empty afterwards
 * @out: where to
 */
void table_print(struct table *t, FILE *out)
{
	int width[TABLE_COLUMNS] = { 0 };

	for (size_t i = 0; i < t->count; i++) {
		int len = strlen(t->cells[i]);

		if (len > width[i % t->columns])
			width[i % t->columns] = len;
	}
	for (size_t i = 0; i < t->count; i++) {
		cell_print(t, i, width[i % t->columns], out);
		free(t->cells[i]);
	}
	free(t->cells);
	table_init(t, t->align);
}
