main.o: main.c cmd.h util.h
cmd.h:
util.h:
