host.o: host.c host.h util.h
host.h:
util.h:
