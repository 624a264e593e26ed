i8042.o: i8042.c i8042.h ioports.h vm.h boot.h kernel.h ram.h console.h \
 guest_cpuid.h pm.h rtc.h serial.h vcpu.h
i8042.h:
ioports.h:
vm.h:
boot.h:
kernel.h:
ram.h:
console.h:
guest_cpuid.h:
pm.h:
rtc.h:
serial.h:
vcpu.h:
