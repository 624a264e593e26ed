rtc.o: rtc.c rtc.h ioports.h
rtc.h:
ioports.h:
