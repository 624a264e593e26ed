// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file system of gmems: a mount's options, its superblock, its limits. Each regular
 * file of a mount is a gmem, as a memfd is a file of tmpfs; fs_dir.c has the inodes and
 * fs_file.c what is done with an open file. Gmems that memslots keep outlive the mount.
 *
 * Only root of the initial user namespace mounts: a domain lets the files of one user be
 * merged with another's. The module stays as long as a mount does, because each superblock
 * keeps its type; what the kernel does with one after that is its own code.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <ditto.h>

#include "compat.h"
#include "gmem/domain.h"
#include "gmem/fs.h"
#include "gmem/internal.h"
#include "gmem/policy.h"
#include "gmem/space.h"
#include "gmem/whole.h"

#define GMEM_FS_MAGIC	0x6469746f

enum fs_option { OPT_DOMAIN, OPT_GID, OPT_HUGE, OPT_INODES,
		 OPT_MODE, OPT_POLICY, OPT_SIZE, OPT_UID };

/**
 * struct fs_options - of a mount or a remount
 * @given: bits of enum fs_option
 * @domain: its name, or empty
 * @policy: DITTO_POLICY_*, or 0
 * @huge: DITTO_GMEM_HUGEPAGE, GMEM_HUGE_ADVISED, or 0
 * @max: pages, 0 for no limit
 * @max_inodes: inodes, 0 for no limit
 * @uid: owner of the top directory
 * @gid: its group
 * @mode: its mode
 */
struct fs_options {
	unsigned long given;
	char domain[GMEM_DOMAIN_NAME];
	u32 policy;
	u32 huge;
	unsigned long max;
	unsigned long max_inodes;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
};

static const struct fs_parameter_spec fs_parameters[] = {
	fsparam_string("domain",	OPT_DOMAIN),
	fsparam_u32("gid",		OPT_GID),
	fsparam_string("huge",		OPT_HUGE),
	fsparam_string("nr_inodes",	OPT_INODES),
	fsparam_u32oct("mode",		OPT_MODE),
	fsparam_string("policy",	OPT_POLICY),
	fsparam_string("size",		OPT_SIZE),
	fsparam_u32("uid",		OPT_UID),
	{}
};

static int option_domain(struct fs_context *fc, struct fs_options *o, const char *name)
{
	const char *c;

	if (!*name || strlen(name) >= sizeof(o->domain))
		return invalf(fc, "ditto: domain: a name of 1 to %zu characters",
			      sizeof(o->domain) - 1);
	for (c = name; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || *c == '/' || *c == '\\')
			return invalf(fc, "ditto: domain: printable ASCII, no blank, no slash");
	strscpy(o->domain, name, sizeof(o->domain));
	return 0;
}

static int option_policy(struct fs_context *fc, struct fs_options *o, const char *name)
{
	o->policy = gmem_policy_by_name(name);
	if (o->policy)
		return 0;
	return invalf(fc, "ditto: policy=%s: off, zero, self, secure or domain", name);
}

/* As tmpfs has it. */
static int option_huge(struct fs_context *fc, struct fs_options *o, const char *name)
{
	if (!strcmp(name, "always"))
		o->huge = DITTO_GMEM_HUGEPAGE;
	else if (!strcmp(name, "advise"))
		o->huge = GMEM_HUGE_ADVISED;
	else if (!strcmp(name, "never"))
		o->huge = 0;
	else
		return invalf(fc, "ditto: huge=%s: never, advise or always", name);
	return 0;
}

/* Bytes with a suffix, or a percentage of the host's memory; in pages, rounded up. */
static int option_size(struct fs_context *fc, struct fs_options *o, const char *string)
{
	char *rest;
	u64 size = memparse(string, &rest);

	if (*rest == '%' && size <= 100) {
		size = size * totalram_pages() / 100 << PAGE_SHIFT;
		rest++;
	}
	if (*rest || rest == string || size > GMEM_MAX_SIZE)
		return invalf(fc, "ditto: size=%s: bytes, with K, M, G or T, or a percentage",
			      string);
	o->max = DIV_ROUND_UP(size, PAGE_SIZE);
	return 0;
}

static int option_inodes(struct fs_context *fc, struct fs_options *o, const char *string)
{
	char *rest;
	u64 nr = memparse(string, &rest);

	if (*rest || rest == string || nr > LONG_MAX)
		return invalf(fc, "ditto: nr_inodes=%s: a number", string);
	o->max_inodes = nr;
	return 0;
}

static int option_owner(struct fs_context *fc, struct fs_options *o, int opt, u32 id)
{
	if (opt == OPT_UID)
		o->uid = make_kuid(current_user_ns(), id);
	else
		o->gid = make_kgid(current_user_ns(), id);
	if (opt == OPT_UID ? uid_valid(o->uid) : gid_valid(o->gid))
		return 0;
	return invalf(fc, "ditto: %s=%u: no such id here", opt == OPT_UID ? "uid" : "gid", id);
}

static int fs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct fs_options *o = fc->fs_private;
	struct fs_parse_result result;
	int opt = fs_parse(fc, fs_parameters, param, &result);

	if (opt < 0)
		return opt;
	o->given |= BIT(opt);
	switch (opt) {
	case OPT_DOMAIN:
		return option_domain(fc, o, param->string);
	case OPT_POLICY:
		return option_policy(fc, o, param->string);
	case OPT_HUGE:
		return option_huge(fc, o, param->string);
	case OPT_SIZE:
		return option_size(fc, o, param->string);
	case OPT_INODES:
		return option_inodes(fc, o, param->string);
	case OPT_MODE:
		o->mode = result.uint_32 & 07777;
		return 0;
	default:
		return option_owner(fc, o, opt, result.uint_32);
	}
}

static void fs_free(struct gmem_fs *fs)
{
	if (!fs)
		return;
	gmem_space_put(fs->space);
	gmem_domain_put(fs->domain);
	kfree(fs);
}

static struct gmem_fs *fs_new(const struct fs_options *o)
{
	struct gmem_fs *fs = kzalloc(sizeof(*fs), GFP_KERNEL);

	if (!fs)
		return NULL;
	fs->policy = o->policy;
	fs->huge = o->huge;
	fs->max_inodes = o->max_inodes;
	fs->uid = o->uid;
	fs->gid = o->gid;
	fs->mode = o->mode;
	fs->space = gmem_space_new(o->max);
	if (*o->domain)
		fs->domain = gmem_domain_named(o->domain);
	if (fs->space && !*o->domain == !fs->domain)
		return fs;
	fs_free(fs);
	return NULL;
}

static int fs_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct gmem_fs *fs = dentry->d_sb->s_fs_info;
	unsigned long max = READ_ONCE(fs->space->max), inodes = READ_ONCE(fs->max_inodes);

	buf->f_type = GMEM_FS_MAGIC;
	buf->f_bsize = PAGE_SIZE;
	buf->f_namelen = NAME_MAX;
	if (max) {
		buf->f_blocks = max;
		buf->f_bfree = max - min_t(u64, max, percpu_counter_sum_positive(&fs->space->used));
		buf->f_bavail = buf->f_bfree;
	}
	if (inodes) {
		buf->f_files = inodes;
		buf->f_ffree = inodes - min_t(u64, inodes, atomic_long_read(&fs->inodes));
	}
	return 0;
}

static int fs_show_options(struct seq_file *m, struct dentry *root)
{
	struct gmem_fs *fs = root->d_sb->s_fs_info;

	if (fs->domain)
		seq_show_option(m, "domain", fs->domain->name);
	if (fs->policy)
		seq_show_option(m, "policy", gmem_policy_name(fs->policy));
	if (READ_ONCE(fs->huge))
		seq_puts(m, fs->huge == DITTO_GMEM_HUGEPAGE ? ",huge=always" : ",huge=advise");
	if (fs->space->max)
		seq_printf(m, ",size=%luk", fs->space->max << (PAGE_SHIFT - 10));
	if (fs->max_inodes)
		seq_printf(m, ",nr_inodes=%lu", fs->max_inodes);
	seq_printf(m, ",mode=%03ho", fs->mode);
	if (!uid_eq(fs->uid, GLOBAL_ROOT_UID))
		seq_printf(m, ",uid=%u", from_kuid_munged(&init_user_ns, fs->uid));
	if (!gid_eq(fs->gid, GLOBAL_ROOT_GID))
		seq_printf(m, ",gid=%u", from_kgid_munged(&init_user_ns, fs->gid));
	return 0;
}

static void fs_evict_inode(struct inode *inode)
{
	clear_inode(inode);
	gmem_fs_drop(inode);
}

static void fs_free_inode(struct inode *inode)
{
	if (S_ISLNK(inode->i_mode))
		kfree(inode->i_link);
	free_inode_nonrcu(inode);
}

static const struct super_operations fs_super_ops = {
	.statfs = fs_statfs,
	.show_options = fs_show_options,
	.evict_inode = fs_evict_inode,
	.free_inode = fs_free_inode,
};

static int fs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct gmem_fs *fs = fs_new(fc->fs_private);
	struct inode *root;

	if (!fs)
		return -ENOMEM;
	sb->s_fs_info = fs;
	sb->s_op = &fs_super_ops;
	sb->s_xattr = gmem_fs_xattrs;
	sb->s_magic = GMEM_FS_MAGIC;
	sb->s_maxbytes = GMEM_MAX_SIZE;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_time_gran = 1;
	sb->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;
	root = gmem_fs_inode(sb, NULL, S_IFDIR | fs->mode);
	if (IS_ERR(root))
		return PTR_ERR(root);
	root->i_uid = fs->uid;
	root->i_gid = fs->gid;
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static int fs_get_tree(struct fs_context *fc)
{
	struct fs_options *o = fc->fs_private;

	if (o->policy && o->policy < DITTO_POLICY_SECURE && *o->domain)
		return invalf(fc, "ditto: policy=%s: nothing is shared in a domain then",
			      gmem_policy_name(o->policy));
	return get_tree_nodev(fc, fs_fill_super);
}

/* What it is about cannot change: files may have been merged. The mode is the directory's. */
static int fs_reconfigure(struct fs_context *fc)
{
	struct gmem_fs *fs = fc->root->d_sb->s_fs_info;
	struct fs_options *o = fc->fs_private;

	if (o->given & BIT(OPT_DOMAIN) && strcmp(o->domain, fs->domain ? fs->domain->name : ""))
		return invalf(fc, "ditto: domain: cannot be changed");
	if (o->given & BIT(OPT_POLICY) && o->policy != fs->policy)
		return invalf(fc, "ditto: policy: cannot be changed");
	if (o->given & BIT(OPT_INODES) && o->max_inodes &&
	    o->max_inodes < atomic_long_read(&fs->inodes))
		return invalf(fc, "ditto: nr_inodes: more are in use");
	if (o->given & BIT(OPT_SIZE) && gmem_space_limit(fs->space, o->max))
		return invalf(fc, "ditto: size: more is in use");
	if (o->given & BIT(OPT_INODES))
		WRITE_ONCE(fs->max_inodes, o->max_inodes);
	if (o->given & BIT(OPT_HUGE))
		WRITE_ONCE(fs->huge, o->huge);
	return 0;
}

static void fs_context_free(struct fs_context *fc)
{
	kfree(fc->fs_private);
}

static const struct fs_context_operations fs_context_ops = {
	.free = fs_context_free,
	.parse_param = fs_parse_param,
	.get_tree = fs_get_tree,
	.reconfigure = fs_reconfigure,
};

static int fs_init_context(struct fs_context *fc)
{
	struct fs_options *o = kzalloc(sizeof(*o), GFP_KERNEL);

	if (!o)
		return -ENOMEM;
	o->mode = 01777;
	o->uid = current_fsuid();
	o->gid = current_fsgid();
	fc->fs_private = o;
	fc->ops = &fs_context_ops;
	return 0;
}

static void fs_kill_sb(struct super_block *sb)
{
	struct gmem_fs *fs = sb->s_fs_info;

	compat_kill_super(sb);
	fs_free(fs);
}

/* Without FS_USERNS_MOUNT: CAP_SYS_ADMIN in the initial user namespace is needed. */
static struct file_system_type fs_type = {
	.owner = THIS_MODULE,
	.name = "ditto",
	.init_fs_context = fs_init_context,
	.parameters = fs_parameters,
	.kill_sb = fs_kill_sb,
};
MODULE_ALIAS_FS("ditto");

/**
 * gmem_fs_register() - mounts are possible from now on
 *
 * Return: 0 or -EBUSY: there is a file system of this name.
 */
int gmem_fs_register(void)
{
	return register_filesystem(&fs_type);
}

/**
 * gmem_fs_unregister() - the mirror of gmem_fs_register(); there is no mount
 */
void gmem_fs_unregister(void)
{
	unregister_filesystem(&fs_type);
}
