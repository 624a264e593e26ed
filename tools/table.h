/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_TABLE_H
#define DITTO_TABLE_H

#include <stdio.h>

#define TABLE_COLUMNS	10

/**
 * struct table - rows of text, printed with aligned columns
 * @columns: how many
 * @align: per column, 'l' or 'r'
 * @cells: row by row; owned
 * @count: cells in use
 * @room: cells allocated
 */
struct table {
	unsigned int columns;
	const char *align;
	char **cells;
	size_t count;
	size_t room;
};

void table_init(struct table *t, const char *align);
void table_add(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_print(struct table *t, FILE *out);

#endif
