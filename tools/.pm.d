pm.o: pm.c pm.h ioports.h vm.h boot.h kernel.h ram.h console.h \
 guest_cpuid.h i8042.h rtc.h serial.h vcpu.h
pm.h:
ioports.h:
vm.h:
boot.h:
kernel.h:
ram.h:
console.h:
guest_cpuid.h:
i8042.h:
rtc.h:
serial.h:
vcpu.h:
