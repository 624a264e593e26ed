cmd_info.o: cmd_info.c cmd.h device.h host.h table.h util.h
cmd.h:
device.h:
host.h:
table.h:
util.h:
