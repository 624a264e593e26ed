/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_SOCKET_H
#define DITTO_SOCKET_H

#include <dirent.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#define SOCKET_SUFFIX	".sock"

struct fork_fds;

int64_t socket_now_ms(void);
int socket_address(const char *name, struct sockaddr_un *address);
int socket_listen(const char *name, struct sockaddr_un *address);
void socket_remove_stale(const char *name);
int socket_connect(const char *name, unsigned int timeout_ms);
DIR *socket_directory(void);
bool socket_name(const struct dirent *entry, char *name, size_t len);
bool socket_peer_allowed(int fd);
int socket_send(int fd, struct json_object *message, const struct fork_fds *fds);
int socket_receive(int fd, struct json_object **message, struct fork_fds *fds);
void socket_close_fds(struct fork_fds *fds);
const char *message_string(struct json_object *message, const char *key);
struct json_object *message_new(const char *key, const char *value);
int machine_call(int fd, const char *command, struct json_object **answer);
int machine_request(const char *name, struct json_object *request, struct json_object **answer,
		    struct fork_fds *fds);
int machine_ask(const char *name, const char *command, struct json_object **answer,
		struct fork_fds *fds);

#endif
