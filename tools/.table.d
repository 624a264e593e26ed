table.o: table.c table.h util.h
table.h:
util.h:
