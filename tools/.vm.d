vm.o: vm.c vm.h boot.h kernel.h ram.h console.h guest_cpuid.h i8042.h \
 ioports.h pm.h rtc.h serial.h vcpu.h acpi.h device.h util.h \
 ../uapi/ditto.h
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
acpi.h:
device.h:
util.h:
../uapi/ditto.h:
