/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_CONSOLE_H
#define DITTO_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_OUT	65536
#define CONSOLE_IN	4096

struct vm;

/**
 * struct console - the other end of the UART: standard input and output, or whoever attaches
 * @attachable: constant; somebody may attach, and nobody is waited for: what is not read is
 *	kept as far as there is room, and the oldest is lost
 * @vm: constant; what is stopped when the user quits
 * @wake_fd: constant; eventfd: the main loop has to look again
 * @timer_fd: constant; timerfd: output has waited long enough
 * @signal_fd: constant; signalfd: somebody wants us to end or to stop
 * @lock: protects @out, @out_len, @closed, @heard, @attach_fd, and what @attachable takes of @out
 * @room: signalled when @out has room, or @closed
 * @out: output that was not written yet; only the main thread takes from it
 * @out_len: how much
 * @closed: nobody will take any more; swallow it
 * @heard: the guest has sent a byte
 * @attach_fd: who wants to attach, or -1
 * @peer_fd: main thread: who is attached, or -1
 * @speak_by: main thread: when the user is told that there was none, in ms; 0: never
 * @flush: main thread: write @out now
 * @is_tty: main thread: standard input is a terminal, so Ctrl-A means something
 * @escape: Ctrl-A was the last byte
 * @eof: main thread: standard input has ended
 * @in_lock: protects @in, @in_len and @escape; taken before a UART's
 * @in: input that the guest has not taken
 * @in_len: how much
 */
struct console {
	struct vm *vm;
	int wake_fd, timer_fd, signal_fd;
	pthread_mutex_t lock;
	pthread_cond_t room;
	uint8_t out[CONSOLE_OUT];
	size_t out_len;
	bool closed, heard, attachable;
	int attach_fd, peer_fd;
	int64_t speak_by;
	bool flush, is_tty, escape, eof;
	pthread_mutex_t in_lock;
	uint8_t in[CONSOLE_IN];
	size_t in_len;
};

int console_block_signals(void);
int console_create(struct console *c, struct vm *vm);
void console_run(struct console *c);
void console_put(struct console *c, uint8_t byte);
void console_attach(struct console *c, int fd);
void console_wake(struct console *c);
void console_close(struct console *c);
void console_forget(struct console *c);
int console_finish(struct console *c, bool patient);
void console_destroy(struct console *c);

#endif
