acpi.o: acpi.c acpi.h ram.h aml.h boot.h kernel.h pm.h ioports.h rtc.h \
 serial.h util.h
acpi.h:
ram.h:
aml.h:
boot.h:
kernel.h:
pm.h:
ioports.h:
rtc.h:
serial.h:
util.h:
