serial.o: serial.c serial.h ioports.h console.h vm.h boot.h kernel.h \
 ram.h guest_cpuid.h i8042.h pm.h rtc.h vcpu.h
serial.h:
ioports.h:
console.h:
vm.h:
boot.h:
kernel.h:
ram.h:
guest_cpuid.h:
i8042.h:
pm.h:
rtc.h:
vcpu.h:
