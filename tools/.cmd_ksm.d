cmd_ksm.o: cmd_ksm.c cmd.h table.h util.h
cmd.h:
table.h:
util.h:
