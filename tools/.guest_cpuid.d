guest_cpuid.o: guest_cpuid.c guest_cpuid.h util.h
guest_cpuid.h:
util.h:
