/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What goes between `ditto` and the agent in its guest: frames of a type, a length
 * (little-endian) and that many bytes. To the agent they go over the second serial port, which
 * interrupts; from it over a port that takes whole blocks (OUTSB), because each byte to the
 * serial port is an exit; or over the serial port, too, where the guest's kernel lets no process
 * have ports. The agent says AGENT_MAGIC once, before its first frame; what comes before is not
 * its.
 */
#ifndef DITTO_AGENT_PROTOCOL_H
#define DITTO_AGENT_PROTOCOL_H

#define AGENT_MAGIC	"\002ditto agent 1\n"
#define AGENT_FRAME_MAX	32768		/* bytes behind the head */
#define AGENT_HEAD	3
#define AGENT_PORT	0x620
#define AGENT_CREDIT	8192		/* bytes of input that may be on their way */
#define AGENT_SEED	32

#define AGENT_PLACE	".ditto"		/* in the first root: the agent's */

/* The environment of an agent whose guest is nothing but a container. */
#define AGENT_CONTAINER	"DITTO_CONTAINER"

/* What RUN's command has for standard files. */
#define AGENT_PIPES	"pipes"
#define AGENT_TTY	"tty"
#define AGENT_CONSOLE	"console"	/* when it ends, the guest does */

enum agent_frame {
	/* from the agent */
	AGENT_UP = 1,		/* it listens */
	AGENT_READY,		/* answers HELLO; a byte: 1: the generation is new, 0: unknown */
	AGENT_STDOUT,
	AGENT_STDERR,
	AGENT_TAKEN,		/* two bytes: so much input was passed on */
	AGENT_EXIT,		/* two bytes: enum agent_exit, and what that says */
	AGENT_STARTED,		/* answers RUN: the command runs */
	/* to the agent */
	AGENT_HELLO = 65,	/* you are in a fork; AGENT_SEED random bytes */
	AGENT_EXEC,		/* strings: directory, environment, an empty one, arguments */
	AGENT_STDIN,		/* none: its end */
	AGENT_SIGNAL,		/* a byte */
	AGENT_UNREAD,		/* a byte, AGENT_STDOUT or AGENT_STDERR: nobody reads it now */
	AGENT_RUN,		/* strings: AGENT_PIPES, AGENT_TTY or AGENT_CONSOLE; user; name of
				 * the machine; then as of EXEC. Only for AGENT_CONTAINER's */
	AGENT_WINDOW,		/* two times two bytes: rows and columns of AGENT_TTY's terminal */
	AGENT_STOP,		/* a byte: the command gets that signal; or the guest ends */
};

enum agent_exit {
	AGENT_EXITED,		/* status */
	AGENT_KILLED,		/* signal */
	AGENT_FAILED,		/* errno: it did not start */
	AGENT_NO_USER,		/* 0: nor did it, for that reason */
};

#endif
