boot.o: boot.c boot.h kernel.h ram.h util.h
boot.h:
kernel.h:
ram.h:
util.h:
