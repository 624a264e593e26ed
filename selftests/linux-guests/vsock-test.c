// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the guest: vsock-test PORT. Asks the host's PORT for as many bytes as it then gets back
 * in a second connection; then waits for one of the host on PORT and sends back what comes.
 * Status 0 if all is well.
 */
#include <sys/socket.h>

#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES	(1 << 20)

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static struct sockaddr_vm at(unsigned int cid, unsigned int port)
{
	return (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
}

static void fetch(unsigned int port, unsigned char *data)
{
	struct sockaddr_vm host = at(VMADDR_CID_HOST, port);
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	size_t done = 0;
	ssize_t n;

	check(fd >= 0 && !connect(fd, (void *)&host, sizeof(host)), "connect");
	while ((n = read(fd, data + done, BYTES - done)) > 0)
		done += n;
	check(done == BYTES, "fetch");
	close(fd);
}

static void give_back(unsigned int port, const unsigned char *data)
{
	struct sockaddr_vm host = at(VMADDR_CID_HOST, port + 1);
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	check(fd >= 0 && !connect(fd, (void *)&host, sizeof(host)), "connect");
	for (size_t done = 0; done < BYTES;) {
		ssize_t n = write(fd, data + done, BYTES - done);

		check(n > 0, "write");
		done += n;
	}
	close(fd);
}

static void echo(unsigned int port)
{
	struct sockaddr_vm any = at(VMADDR_CID_ANY, port);
	int listening = socket(AF_VSOCK, SOCK_STREAM, 0), fd;
	char text[4096];
	ssize_t n;

	check(!bind(listening, (void *)&any, sizeof(any)) && !listen(listening, 1), "listen");
	puts("net-test: listening");
	fflush(stdout);
	fd = accept(listening, NULL, NULL);
	check(fd >= 0, "accept");
	while ((n = read(fd, text, sizeof(text))) > 0)
		check(write(fd, text, n) == n, "echo");
	close(fd);
}

int main(int argc, char **argv)
{
	static unsigned char data[BYTES];
	unsigned int port = argc > 1 ? atoi(argv[1]) : 0;

	fetch(port, data);
	give_back(port, data);
	echo(port);
	return 0;
}
