console.o: console.c console.h terminal.h vm.h boot.h kernel.h ram.h \
 guest_cpuid.h i8042.h ioports.h pm.h rtc.h serial.h vcpu.h util.h
console.h:
terminal.h:
vm.h:
boot.h:
kernel.h:
ram.h:
guest_cpuid.h:
i8042.h:
ioports.h:
pm.h:
rtc.h:
serial.h:
vcpu.h:
util.h:
