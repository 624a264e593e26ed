device.o: device.c device.h cmd.h util.h ../uapi/ditto.h
device.h:
cmd.h:
util.h:
../uapi/ditto.h:
