dump.o: dump.c vm.h boot.h kernel.h ram.h console.h guest_cpuid.h i8042.h \
 ioports.h pm.h rtc.h serial.h vcpu.h util.h
vm.h:
boot.h:
kernel.h:
ram.h:
console.h:
guest_cpuid.h:
i8042.h:
ioports.h:
pm.h:
rtc.h:
serial.h:
vcpu.h:
util.h:
