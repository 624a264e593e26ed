cmd_ps.o: cmd_ps.c cmd.h device.h table.h util.h ../uapi/ditto.h
cmd.h:
device.h:
table.h:
util.h:
../uapi/ditto.h:
