ioports.o: ioports.c ioports.h
ioports.h:
