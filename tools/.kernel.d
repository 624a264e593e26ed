kernel.o: kernel.c kernel.h util.h
kernel.h:
util.h:
