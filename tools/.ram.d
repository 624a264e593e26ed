ram.o: ram.c ram.h util.h ../uapi/ditto.h
ram.h:
util.h:
../uapi/ditto.h:
