// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto info --why`: every obstacle between this host and its first machine, each as a
 * sentence or two that end with what to do; in the order in which a person removes them.
 * It reads what the kernel shows, changes nothing, and loads nothing.
 */
#include "why.h"
#include "cmd.h"
#include "util.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define HOLDERS_SHOWN	8

/* A line of /proc/cpuinfo: the kernel's opinion, which can differ from the CPU's. */
static bool kernel_sees(const char *flag)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	size_t len = 0, flag_len = strlen(flag);
	char *line = NULL, *at;
	bool found = false;

	while (f && getline(&line, &len, f) > 0) {
		if (strncmp(line, "flags", 5))
			continue;
		for (at = strstr(line, flag); at && !found; at = strstr(at + 1, flag))
			found = at[-1] == ' ' && isspace((unsigned char)at[flag_len]);
		break;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* Is there such a word in the kernel's command line: "clearcpuid=" and a list with @flag? */
static bool kernel_hides(const char *flag)
{
	char line[4096], *word, *rest = line, *name, *names;

	if (read_small_file("/proc/cmdline", line, sizeof(line)))
		return false;
	while ((word = strsep(&rest, " "))) {
		if (strncmp(word, "clearcpuid=", 11))
			continue;
		names = word + 11;
		while ((name = strsep(&names, ",")))
			if (!strcmp(name, flag))
				return true;
	}
	return false;
}

static int why_no_cpu(const struct host *h)
{
	const char *flag = h->vmx ? "vmx" : "svm", *name = h->vmx ? "VMX" : "SVM";

	if (!h->svm && !h->vmx) {
		printf("This CPU shows neither SVM (AMD) nor VMX (Intel). ");
		if (h->under[0])
			printf("This is a virtual machine itself (under %s): nested virtualization "
			       "has to be allowed for it, by its host.\n", h->under);
		else
			printf("If it is one that has it, enable \"SVM\" or \"VT-x\" in the "
			       "firmware's setup.\n");
		return 1;
	}
	if (kernel_hides(flag)) {
		printf("The CPU has %s, but the kernel was told to hide it: take clearcpuid=%s out "
		       "of its command line (/etc/default/grub, then update-grub) and reboot.\n",
		       name, flag);
		return 1;
	}
	if (h->firmware == NO || !kernel_sees(flag)) {
		printf("The CPU has %s, but it is disabled: enable \"%s\" in the firmware's "
		       "setup.\n",
		       name, h->vmx ? "VT-x" : "SVM");
		return 1;
	}
	return 0;
}

/* Does an fd of the process lead to /dev/kvm, or to what was made by it? */
static bool process_has_kvm(const char *pid)
{
	char path[PATH_MAX], target[64];
	bool found = false;
	struct dirent *e;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		found = !strcmp(target, "/dev/kvm") || !strncmp(target, "anon_inode:kvm-v", 16);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* " 712 (qemu-system-x86) ..."; others' processes are seen by root only. */
static int print_holders(void)
{
	char path[PATH_MAX], name[32];
	DIR *proc = opendir("/proc");
	struct dirent *e;
	int count = 0;

	while (proc && (e = readdir(proc))) {
		if (!isdigit((unsigned char)e->d_name[0]) || !process_has_kvm(e->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		if (read_small_file(path, name, sizeof(name)))
			continue;
		if (count++ < HOLDERS_SHOWN)
			printf("%s %s (%s)", count > 1 ? "," : "", e->d_name, name);
	}
	if (proc)
		closedir(proc);
	if (count > HOLDERS_SHOWN)
		printf(" and %d more", count - HOLDERS_SHOWN);
	return count;
}

static void why_rival(const char *name)
{
	char path[PATH_MAX], users[32];
	bool kvm = !strncmp(name, "kvm", 3);

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	if (read_small_file(path, users, sizeof(users)))
		strcpy(users, "0");
	printf("%s is loaded and has the CPUs", name);
	if (!strcmp(users, "0")) {
		printf("; nobody uses it. ");
	} else {
		printf("; it is in use");
		if (kvm) {
			printf(" by:");
			if (!print_holders())
				printf(" processes that only root sees");
		}
		printf(". End its machines first. ");
	}
	printf("\"rmmod %s\" gives the CPUs back; \"blacklist %s\" in a file of /etc/modprobe.d "
	       "keeps it away at boot. ditto never does either by itself.\n", name, name);
}

static int why_rivals(const struct host *h)
{
	char names[sizeof(h->others)], *rest = names, *name;
	int count = 0;

	strcpy(names, h->others);
	while ((name = strsep(&rest, " ")))
		if (*name) {
			why_rival(name);
			count++;
		}
	return count;
}

static bool module_is_installed(const char *release)
{
	char path[PATH_MAX];
	size_t len = 0;
	char *line = NULL;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	f = fopen(path, "re");
	while (f && !found && getline(&line, &len, f) > 0) {
		line[strcspn(line, ":")] = '\0';
		found = strstr(line, "/ditto.ko");
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

static bool kernel_is_locked_down(void)
{
	char text[64];

	return !read_small_file("/sys/kernel/security/lockdown", text, sizeof(text)) &&
	       !strstr(text, "[none]");
}

static void why_not_loaded(void)
{
	struct utsname u;

	uname(&u);
	printf("The module is not loaded. ");
	if (module_is_installed(u.release))
		printf("Load it: \"systemctl start ditto\" or \"modprobe ditto\"; if that is "
		       "refused, \"dmesg | grep ditto:\" has the reason.\n");
	else
		printf("There is none for this kernel, %s: install ditto-dkms and "
		       "linux-headers-%s; \"dkms status ditto\" tells whether it was built. Or "
		       "build it, and \"insmod ditto.ko\".\n", u.release, u.release);
	if (kernel_is_locked_down())
		printf("The kernel is locked down (Secure Boot): it loads signed modules only. "
		       "\"mokutil --import /var/lib/dkms/mok.pub\", reboot, and enroll the key.\n");
}

static void why_no_access(const char *dev)
{
	struct stat st;
	struct group *group;

	if (stat(dev, &st) < 0)
		return;
	group = getgrgid(st.st_gid);
	printf("You may not open %s, which belongs to the group %s: ", dev,
	       group ? group->gr_name : "that has no name");
	if (!group || !st.st_gid)
		printf("there is no udev rule that gives it to others. Be root, or install "
		       "60-ditto.rules.\n");
	else
		printf("\"adduser YOU %s\" as root, and log in again.\n", group->gr_name);
}

static void why_no_node(const char *dev)
{
	char number[32];

	if (strcmp(dev, DITTO_DEV)) {
		printf("There is no %s.\n", dev);
		return;
	}
	if (read_small_file("/sys/class/misc/ditto/dev", number, sizeof(number)))
		strcpy(number, "unknown");
	number[strcspn(number, ":")] = ' ';
	printf("The module is loaded, but there is no %s: here is no devtmpfs (a container?). "
	       "Pass the host's in, or: mknod %s c %s\n", dev, dev, number);
}

/**
 * why_not() - print what is between this host and machines on a device that cannot be opened
 * @h: probed
 * @dev: the device
 * @err: errno of opening it
 *
 * Return: how many obstacles were named, 0 if none was found.
 */
int why_not(const struct host *h, const char *dev, int err)
{
	int count;

	if (err == EACCES || err == EPERM) {
		why_no_access(dev);
		return 1;
	}
	if (h->module) {
		if (err == ENOENT)
			why_no_node(dev);
		return err == ENOENT;
	}
	count = why_no_cpu(h);
	count += why_rivals(h);
	/* Loading it would not help before these are gone. */
	if (!count)
		why_not_loaded();
	return count ?: 1;
}
