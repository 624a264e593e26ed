terminal.o: terminal.c terminal.h util.h
terminal.h:
util.h:
