// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto info`: can guests run here, and if not, what is in the way. The
 * facts come from host.c and from the device; the verdict is the first
 * obstacle in the order in which a person would remove them.
 */
#include "cmd.h"
#include "device.h"
#include "host.h"
#include "listing.h"
#include "table.h"
#include "util.h"
#include "why.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct argp_option options[] = {
	{ "json", 'j', NULL,   0, "print JSON", 0 },
	{ "why",  'w', NULL,   0, "only say why not, and what to do about it", 0 },
	{ "dev",  'd', "PATH", 0, "device (default: /dev/ditto)", 0 },
	{ 0 }
};

static const char doc[] =
	"Say what this host can do, and why not: the CPU's virtualization, the module, the "
	"device and the capabilities of the KVM API behind it.\v"
	"Exit status: 0 if machines can run on the device; 1 if not, and the last line says why.";

#define CAP(name)	{ KVM_CAP_##name, #name }

static const struct {
	int number;
	const char *name;
} capabilities[] = {
	CAP(IRQCHIP), CAP(PIT2), CAP(IRQ_ROUTING), CAP(IRQFD), CAP(IOEVENTFD), CAP(SIGNAL_MSI),
	CAP(USER_MEMORY), CAP(READONLY_MEM), CAP(SYNC_MMU), CAP(NR_MEMSLOTS),
	CAP(NR_VCPUS), CAP(MAX_VCPUS), CAP(MAX_VCPU_ID), CAP(MP_STATE), CAP(VCPU_EVENTS),
	CAP(EXT_CPUID), CAP(XSAVE), CAP(XCRS), CAP(DEBUGREGS), CAP(TSC_CONTROL),
	CAP(GET_TSC_KHZ), CAP(TSC_DEADLINE_TIMER), CAP(ADJUST_CLOCK), CAP(SET_TSS_ADDR),
	CAP(SET_IDENTITY_MAP_ADDR), CAP(IMMEDIATE_EXIT), CAP(X86_SMM), CAP(SPLIT_IRQCHIP),
	CAP(DIRTY_LOG_RING), CAP(NESTED_STATE),
};

/**
 * struct device - what is behind the device node
 * @path: the node
 * @err: errno of opening it, or 0
 * @fd: open, or -1
 * @version: of the KVM API; negative if it does not speak it
 * @gmem: it is ditto's
 */
struct device {
	const char *path;
	int err;
	int fd;
	int version;
	bool gmem;
};

/**
 * struct info - everything that is printed
 * @host: CPU and kernel
 * @dev: the device
 * @json: print JSON
 * @why: print what is in the way, and what to do
 * @features: of the CPU
 * @feature_count: how many
 */
struct info {
	struct host host;
	struct device dev;
	bool json, why;
	struct host_feature features[HOST_FEATURES_MAX];
	size_t feature_count;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct info *info = state->input;

	switch (key) {
	case 'j':
		info->json = true;
		return 0;
	case 'w':
		info->why = true;
		return 0;
	case 'd':
		info->dev.path = arg;
		return 0;
	default:
		return parse_no_argument(key, arg, state);
	}
}

static void device_probe(struct device *dev)
{
	dev->version = -1;
	dev->fd = open(dev->path, O_RDWR | O_CLOEXEC);
	dev->err = dev->fd < 0 ? errno : 0;
	if (dev->fd < 0)
		return;
	dev->version = ioctl(dev->fd, KVM_GET_API_VERSION, 0);
	dev->gmem = device_has_gmem(dev->fd);
}

static const char *why_no_device(const struct info *info)
{
	const struct host *h = &info->host;
	static char others[160];

	if (info->dev.err == EACCES)
		return "no permission for the device: run as root, or join its group";
	if (!h->svm && !h->vmx)
		return "the CPU has neither SVM nor VMX, or firmware or a hypervisor hides it";
	if (h->firmware == NO)
		return "firmware has disabled virtualization: enable SVM or VT-x there";
	if (!h->module && h->others[0]) {
		snprintf(others, sizeof(others),
			 "loaded, and may have the CPUs: %s: unload it with rmmod, then load ditto",
			 h->others);
		return others;
	}
	if (!h->module)
		return "the module is not loaded: modprobe ditto, or insmod ditto.ko";
	return "the device cannot be opened";
}

/* NULL: nothing is in the way. */
static const char *obstacle(const struct info *info)
{
	if (info->dev.fd < 0)
		return why_no_device(info);
	if (info->dev.version != KVM_API_VERSION)
		return "the device does not speak version 12 of the KVM API";
	if (ioctl(info->dev.fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP) <= 0)
		return "the device has no in-kernel interrupt controllers";
	return NULL;
}

static const char *tristate_name(enum tristate t)
{
	return t == YES ? "yes" : t == NO ? "no" : "unknown";
}

static const char *or_none(const char *text)
{
	return text[0] ? text : "none";
}

static void row(struct table *t, const char *name, const char *value)
{
	table_add(t, "%s", name);
	table_add(t, "%s", value);
}

static void print_host(const struct host *h)
{
	struct table t;

	table_init(&t, "ll");
	row(&t, "CPU vendor", h->vendor);
	row(&t, "running under", or_none(h->under));
	row(&t, "SVM (AMD)", h->svm ? "yes" : "no");
	row(&t, "VMX (Intel)", h->vmx ? "yes" : "no");
	row(&t, "enabled by firmware", tristate_name(h->firmware));
	row(&t, "module ditto loaded", h->module ? "yes" : "no");
	row(&t, "other hypervisors", or_none(h->others));
	table_print(&t, stdout);
}

static void print_features(const struct info *info)
{
	struct table t;

	if (!info->feature_count)
		return;
	printf("\nCPU features\n");
	table_init(&t, "lll");
	for (size_t i = 0; i < info->feature_count; i++) {
		table_add(&t, "  %s", info->features[i].name);
		table_add(&t, "%s", tristate_name(info->features[i].state));
		table_add(&t, "%s", info->features[i].meaning);
	}
	table_print(&t, stdout);
}

/* First character of a module parameter; EOF: there is none. */
static int parameter(const char *path)
{
	FILE *f = fopen(path, "r");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	return c;
}

static bool has_not(const struct info *info, const char *feature)
{
	for (size_t i = 0; i < info->feature_count; i++)
		if (!strcmp(info->features[i].name, feature))
			return info->features[i].state == NO;
	return false;
}

static const char *paging_of_intel(const struct info *info)
{
	int on = parameter("/sys/module/ditto/parameters/ept");

	if (on == EOF)
		return NULL;
	if (on != 'N')
		return "nested (EPT)";
	if (has_not(info, "EPT"))
		return "shadow page tables: the CPU has no nested paging";
	if (has_not(info, "unrestricted"))
		return "shadow page tables: the CPU has no unrestricted guests";
	return "shadow page tables: the module was loaded with ept=0";
}

/* Which tables translate a guest's addresses, and why; NULL: nobody knows. */
static const char *paging(const struct info *info)
{
	int on = parameter("/sys/module/ditto/parameters/npt");

	if (on == EOF)
		return NULL;
	if (info->host.vmx)
		return paging_of_intel(info);
	if (on != 'N')
		return "nested (NPT)";
	if (has_not(info, "NPT"))
		return "shadow page tables: the CPU has no nested paging";
	return "shadow page tables: the module was loaded with npt=0";
}

static void print_device(const struct device *dev)
{
	struct table t;

	printf("\n%s: ", dev->path);
	if (dev->fd < 0) {
		puts(strerror(dev->err));
		return;
	}
	if (dev->version < 0) {
		puts("not a KVM device");
		return;
	}
	printf("KVM API version %d, %s\n", dev->version, dev->gmem ? "ditto" : "not ditto");
	table_init(&t, "lr");
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		int value = ioctl(dev->fd, KVM_CHECK_EXTENSION, capabilities[i].number);

		table_add(&t, "  %s", capabilities[i].name);
		table_add(&t, "%d", value < 0 ? 0 : value);
	}
	table_print(&t, stdout);
}

static void print_text(const struct info *info, const char *why)
{
	print_host(&info->host);
	print_features(info);
	print_device(&info->dev);
	if (paging(info))
		printf("\nPaging of guests: %s\n", paging(info));
	if (why)
		printf("\nMachines cannot run here: %s\n", why);
	else
		printf("\nMachines can run here.\n");
}

/* Full sentences for users whose machines do not run; @why where they have none for the cause. */
static void print_why(const struct info *info, const char *why)
{
	if (!why)
		printf("Nothing is in the way: machines can run on %s.\n", info->dev.path);
	else if (info->dev.fd >= 0 || !why_not(&info->host, info->dev.path, info->dev.err))
		printf("%s: %s.\n", info->dev.path, why);
}

static struct json_object *json_tristate(enum tristate t)
{
	return t == UNKNOWN ? NULL : json_object_new_boolean(t == YES);
}

static struct json_object *json_host(const struct info *info)
{
	const struct host *h = &info->host;
	struct json_object *o = json_object_new_object();
	struct json_object *features = json_object_new_object();

	json_object_object_add(o, "vendor", json_object_new_string(h->vendor));
	json_object_object_add(o, "running_under", json_object_new_string(h->under));
	json_object_object_add(o, "svm", json_object_new_boolean(h->svm));
	json_object_object_add(o, "vmx", json_object_new_boolean(h->vmx));
	json_object_object_add(o, "firmware_enabled", json_tristate(h->firmware));
	json_object_object_add(o, "module_loaded", json_object_new_boolean(h->module));
	json_object_object_add(o, "other_hypervisors", json_object_new_string(h->others));
	for (size_t i = 0; i < info->feature_count; i++)
		json_object_object_add(features, info->features[i].name,
				       json_tristate(info->features[i].state));
	json_object_object_add(o, "features", features);
	return o;
}

static struct json_object *json_device(const struct device *dev)
{
	struct json_object *o = json_object_new_object();
	struct json_object *caps = json_object_new_object();

	json_object_object_add(o, "path", json_object_new_string(dev->path));
	json_object_object_add(o, "error", dev->err ? json_object_new_string(strerror(dev->err))
						    : NULL);
	if (dev->version < 0) {
		json_object_put(caps);
		return o;
	}
	json_object_object_add(o, "api_version", json_object_new_int(dev->version));
	json_object_object_add(o, "ditto", json_object_new_boolean(dev->gmem));
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		int value = ioctl(dev->fd, KVM_CHECK_EXTENSION, capabilities[i].number);

		json_object_object_add(caps, capabilities[i].name,
				       json_object_new_int(value < 0 ? 0 : value));
	}
	json_object_object_add(o, "capabilities", caps);
	return o;
}

static void print_json(const struct info *info, const char *why)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "host", json_host(info));
	json_object_object_add(o, "device", json_device(&info->dev));
	json_object_object_add(o, "paging", paging(info) ? json_object_new_string(paging(info)) :
							   NULL);
	json_object_object_add(o, "ready", json_object_new_boolean(!why));
	json_object_object_add(o, "obstacle", why ? json_object_new_string(why) : NULL);
	json_print(o);
	json_object_put(o);
}

/**
 * cmd_info() - `ditto info`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_info(int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL, doc, NULL, NULL, NULL };
	struct info info = { .dev.path = DITTO_DEV };
	const char *why;

	argp_parse(&argp, argc, argv, 0, NULL, &info);
	host_probe(&info.host);
	info.feature_count = host_features(&info.host, info.features);
	device_probe(&info.dev);
	why = obstacle(&info);
	if (info.why)
		print_why(&info, why);
	else if (info.json)
		print_json(&info, why);
	else
		print_text(&info, why);
	if (info.dev.fd >= 0)
		close(info.dev.fd);
	return why != NULL;
}
