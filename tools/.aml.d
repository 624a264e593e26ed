aml.o: aml.c aml.h
aml.h:
