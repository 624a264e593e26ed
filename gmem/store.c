// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bytes of compressed pages: what squeeze.c puts there, and what gets it out again. Owns the
 * kernel's store (zsmalloc) and compressors, one for each CPU, so that those who decompress do not
 * wait for one another; and an index of what is there, so that equal contents are kept once. Knows
 * nothing of entries but how many have an object.
 *
 * The hard part is an object's end while somebody finds it: both look at its references, the
 * finder with the bucket's lock, and who has put the last one takes it out under that lock.
 *
 * 1. Equal pages are compressed to equal bytes, as there is one algorithm. So bytes are compared,
 *    all of them, and never on the word of a digest alone. Only those of one domain are; the
 *    digest has the domain's key. A search gives up after MAX_WALK objects.
 * 2. Charged is the memory cgroup of the gmem whose page it was: for each page that the kernel's
 *    store takes when it has no room, and for the objects. Such a page has room for others'
 *    bytes, too. So a cgroup may pay for some of another's and the other way round; the kernel's
 *    store does not tell who has what. A page that it moves is paid for by nobody from then on.
 * 3. What is allocated here comes from reserves, without waiting: it gives back more than it takes.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/kmemleak.h>
#include <linux/memcontrol.h>
#include <linux/percpu.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat-compress.h"
#include "gmem/domain.h"
#include "gmem/entry.h"
#include "gmem/sharers.h"
#include "gmem/store.h"

/* What does not become as small as this is not worth it. */
#define WORTH		(PAGE_SIZE * 3 / 4)

/* Room for what a compressor makes of a page, even if that is larger. */
#define PACKED_ROOM	(2 * PAGE_SIZE)

#define STORE_GFP	(GFP_ATOMIC | __GFP_NOWARN | __GFP_ACCOUNT)

#define NR_LOCKS	64
#define MAX_WALK	16
#define PAGES_PER_BUCKET	16

/**
 * struct gmem_squeezed - the contents of a page, compressed
 * @refs: entries that have them; in a chunk that is common, one
 * @digest: of the bytes, with the key of @domain
 * @len: how many bytes; constant, as all that follows
 * @handle: where they are in the kernel's store
 * @domain: whose gmems may share them; NULL: nobody finds them
 * @node: in the index, if it has a domain
 */
struct gmem_squeezed {
	refcount_t refs;
	u32 digest;
	u32 len;
	unsigned long handle;
	struct gmem_domain *domain;
	struct hlist_node node;
};

static_assert(sizeof(struct gmem_squeezed) <= 1 << GMEM_SQUEEZED_SHIFT);

#define OBJECT_BYTES	(1 << GMEM_SQUEEZED_SHIFT)

/**
 * struct store_cpu - what a CPU decompresses with
 * @comp: the compressor
 * @page: for bytes that lie in two pieces
 */
struct store_cpu {
	compat_comp *comp;
	void *page;
};

static DEFINE_PER_CPU(struct store_cpu, store_cpus);

static DEFINE_MUTEX(store_lock);	/* opening it; and one compresses at a time */
static bool store_opened;

/* From the time that it is open, constant: */
static struct compat_zs zs;
static struct zs_pool *store_pool;
static struct kmem_cache *store_cache;
static compat_comp *store_comp;		/* under store_lock; so @store_packed */
static u8 *store_packed;
static struct hlist_head *store_buckets;
static unsigned long store_nr_buckets;
static spinlock_t store_locks[NR_LOCKS];

static atomic_long_t store_entries, store_objects, store_bytes, store_rejected, store_joined;

static void store_free_cpus(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct store_cpu *sc = per_cpu_ptr(&store_cpus, cpu);

		if (sc->comp)
			compat_comp_free(sc->comp);
		kfree(sc->page);
		memset(sc, 0, sizeof(*sc));
	}
}

static compat_comp *store_comp_alloc(const char *algorithm)
{
	compat_comp *comp = compat_comp_alloc(algorithm);

	return IS_ERR(comp) ? NULL : comp;
}

static int store_alloc_cpus(const char *algorithm)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct store_cpu *sc = per_cpu_ptr(&store_cpus, cpu);

		sc->comp = store_comp_alloc(algorithm);
		sc->page = kmalloc(PAGE_SIZE, GFP_KERNEL);
		if (!sc->comp || !sc->page) {
			store_free_cpus();
			return -ENOMEM;
		}
	}
	return 0;
}

static void store_free_all(void)
{
	store_free_cpus();
	if (store_comp)
		compat_comp_free(store_comp);
	store_comp = NULL;
	kfree(store_packed);
	store_packed = NULL;
	kvfree(store_buckets);
	store_buckets = NULL;
	kmem_cache_destroy(store_cache);
	store_cache = NULL;
	if (store_pool)
		zs.destroy_pool(store_pool);
	store_pool = NULL;
	compat_zs_put(&zs);
}

static int store_alloc_index(void)
{
	unsigned int i;

	store_nr_buckets = roundup_pow_of_two(max(totalram_pages() / PAGES_PER_BUCKET,
						  (unsigned long)NR_LOCKS));
	store_buckets = kvcalloc(store_nr_buckets, sizeof(*store_buckets), GFP_KERNEL);
	for (i = 0; i < NR_LOCKS; i++)
		spin_lock_init(&store_locks[i]);
	return store_buckets ? 0 : -ENOMEM;
}

/* Whatever is missing then store_free_all() frees the rest. */
static int store_alloc_all(const char *algorithm)
{
	store_comp = store_comp_alloc(algorithm);
	if (!store_comp) {
		pr_info("this kernel has no compressor called \"%s\"\n", algorithm);
		return -EOPNOTSUPP;
	}
	if (!compat_zs_get(&zs)) {
		pr_info("this kernel has no store for compressed pages (zsmalloc)\n");
		return -EOPNOTSUPP;
	}
	store_pool = zs.create_pool("ditto");
	store_packed = kmalloc(PACKED_ROOM, GFP_KERNEL);
	store_cache = kmem_cache_create("ditto_gmem_squeezed", sizeof(struct gmem_squeezed),
					OBJECT_BYTES, SLAB_ACCOUNT | SLAB_TYPESAFE_BY_RCU, NULL);
	if (!store_pool || !store_packed || !store_cache || store_alloc_index())
		return -ENOMEM;
	return store_alloc_cpus(algorithm);
}

/**
 * gmem_store_open() - see that pages can be compressed
 * @algorithm: name of a compressor of the kernel's
 *
 * Process context; may load modules of the kernel's. Once it is open it stays so, with the
 * algorithm that it was opened with.
 *
 * Return: 0; -EOPNOTSUPP: this kernel has not what it takes; -ENOMEM.
 */
int gmem_store_open(const char *algorithm)
{
	int err = 0;

	mutex_lock(&store_lock);
	if (!store_opened) {
		err = store_alloc_all(algorithm);
		if (err)
			store_free_all();
		else
			smp_store_release(&store_opened, true);
	}
	mutex_unlock(&store_lock);
	return err;
}

/**
 * gmem_store_can_open() - has this kernel been built with what it takes?
 *
 * Return: true; modules of its may be missing nevertheless.
 */
bool gmem_store_can_open(void)
{
	return true;
}

/**
 * gmem_store_is_open() - can pages be compressed?
 *
 * Return: whether gmem_store_open() has ever said so.
 */
bool gmem_store_is_open(void)
{
	return smp_load_acquire(&store_opened);
}

/**
 * gmem_store_exit() - the end, when no gmem exists any more
 */
void gmem_store_exit(void)
{
	WARN_ON_ONCE(atomic_long_read(&store_objects) || atomic_long_read(&store_entries));
	if (store_opened)
		store_free_all();
	store_opened = false;
}

static spinlock_t *bucket_lock(u32 digest)
{
	return &store_locks[digest % NR_LOCKS];
}

static struct hlist_head *bucket_of(u32 digest)
{
	return &store_buckets[digest & (store_nr_buckets - 1)];
}

/* With preemption off, so that the CPU's page is this task's. */
static bool object_says(const struct gmem_squeezed *s, const void *bytes)
{
	const void *at = compat_zs_read(&zs, store_pool, s->handle, s->len,
					this_cpu_ptr(&store_cpus)->page);
	bool same = !memcmp(at, bytes, s->len);

	compat_zs_read_end(&zs, store_pool, s->handle, s->len, at);
	return same;
}

/*
 * An object with these bytes, with a reference, or NULL. What is in the index has its bytes still,
 * even if nobody has it any more: who puts the last reference needs the lock first.
 */
static struct gmem_squeezed *object_find(struct gmem_domain *domain, u32 digest,
					 const void *bytes, u32 len)
{
	struct gmem_squeezed *s, *found = NULL;
	unsigned int walked = 0;

	spin_lock(bucket_lock(digest));
	hlist_for_each_entry(s, bucket_of(digest), node) {
		if (++walked > MAX_WALK)
			break;
		if (s->digest != digest || s->domain != domain || s->len != len ||
		    refcount_read(&s->refs) >= GMEM_MAX_SHARERS ||
		    !object_says(s, bytes) || !refcount_inc_not_zero(&s->refs))
			continue;
		found = s;
		break;
	}
	spin_unlock(bucket_lock(digest));
	return found;
}

static void object_index(struct gmem_squeezed *s, struct gmem_domain *domain, u32 digest)
{
	s->domain = domain;
	s->digest = digest;
	if (!domain)
		return;
	spin_lock(bucket_lock(digest));
	hlist_add_head(&s->node, bucket_of(digest));
	spin_unlock(bucket_lock(digest));
}

/* With the gmem's memory cgroup. An entry has no room for addresses that are too high. */
static struct gmem_squeezed *object_alloc(u32 len)
{
	struct gmem_squeezed *s = kmem_cache_alloc(store_cache, STORE_GFP);

	if (!s)
		return NULL;
	kmemleak_not_leak(s);	/* entries do not point at it in a way that could be seen */
	refcount_set(&s->refs, 1);
	INIT_HLIST_NODE(&s->node);
	s->len = len;
	s->handle = 0;
	if (gmem_entry_object(gmem_entry_squeeze(s)) == s)
		s->handle = compat_zs_alloc(&zs, store_pool, len, STORE_GFP);
	if (s->handle)
		return s;
	kmem_cache_free(store_cache, s);
	return NULL;
}

/* store_packed has the bytes. */
static struct gmem_squeezed *object_make(struct gmem *g, struct gmem_domain *domain, u32 len)
{
	u32 digest = domain ? hsiphash(store_packed, len, &domain->key) : 0;
	struct gmem_squeezed *s;
	struct mem_cgroup *old;

	s = domain ? object_find(domain, digest, store_packed, len) : NULL;
	if (s) {
		atomic_long_inc(&store_joined);
		return s;
	}
	old = set_active_memcg(g->memcg);
	s = object_alloc(len);
	set_active_memcg(old);
	if (!s)
		return ERR_PTR(-ENOMEM);
	compat_zs_write(&zs, store_pool, s->handle, store_packed, len);
	object_index(s, domain, digest);
	atomic_long_inc(&store_objects);
	atomic_long_add(len + OBJECT_BYTES, &store_bytes);
	return s;
}

/**
 * gmem_squeezed_make() - compress a page
 * @page: 4096 bytes that nobody changes meanwhile
 * @g: whose they are; its memory cgroup pays
 * @domain: whose gmems may share the result; NULL: nobody else's
 *
 * Process context, the store is open. Waits for no memory.
 *
 * Return: an object, with a reference for an entry; or ERR_PTR: -E2BIG: it does not become small
 * enough; -ENOMEM.
 */
struct gmem_squeezed *gmem_squeezed_make(const void *page, struct gmem *g,
					 struct gmem_domain *domain)
{
	struct gmem_squeezed *s = ERR_PTR(-E2BIG);
	unsigned int len = PACKED_ROOM;

	mutex_lock(&store_lock);
	if (!compat_comp_pack(store_comp, page, PAGE_SIZE, store_packed, &len) && len <= WORTH)
		s = object_make(g, domain, len);
	else
		atomic_long_inc(&store_rejected);
	mutex_unlock(&store_lock);
	if (!IS_ERR(s))
		atomic_long_inc(&store_entries);
	return s;
}

/**
 * gmem_squeezed_get() - one entry more has an object
 * @s: that an entry has, which cannot change now
 */
void gmem_squeezed_get(struct gmem_squeezed *s)
{
	refcount_inc(&s->refs);
	atomic_long_inc(&store_entries);
}

/**
 * gmem_squeezed_put() - one entry less
 * @s: the object; with the last one it goes
 *
 * Any context but interrupts; a chunk's lock may be held.
 */
void gmem_squeezed_put(struct gmem_squeezed *s)
{
	atomic_long_dec(&store_entries);
	if (!refcount_dec_and_test(&s->refs))
		return;
	if (s->domain) {
		spin_lock(bucket_lock(s->digest));
		hlist_del_init(&s->node);
		spin_unlock(bucket_lock(s->digest));
	}
	atomic_long_dec(&store_objects);
	atomic_long_sub(s->len + OBJECT_BYTES, &store_bytes);
	zs.free(store_pool, s->handle);
	kmem_cache_free(store_cache, s);
}

/**
 * gmem_squeezed_load() - decompress a page
 * @s: that an entry has, which cannot change now
 * @page: 4096 bytes, all of which are written
 *
 * Process context; does not sleep.
 *
 * Return: 0; -EIO: the memory that the bytes are in has changed.
 */
int gmem_squeezed_load(const struct gmem_squeezed *s, void *page)
{
	unsigned int len = PAGE_SIZE;
	struct store_cpu *sc;
	const void *at;
	int err;

	preempt_disable();
	sc = this_cpu_ptr(&store_cpus);
	at = compat_zs_read(&zs, store_pool, s->handle, s->len, sc->page);
	err = compat_comp_unpack(sc->comp, at, s->len, page, &len);
	compat_zs_read_end(&zs, store_pool, s->handle, s->len, at);
	preempt_enable();
	return WARN_ON_ONCE(err || len != PAGE_SIZE) ? -EIO : 0;
}

/**
 * gmem_squeezed_bytes() - what an object costs
 * @s: that an entry had in this RCU section; it may be another by now
 *
 * Return: bytes; the kernel's store adds what it wastes.
 */
unsigned int gmem_squeezed_bytes(const struct gmem_squeezed *s)
{
	return READ_ONCE(s->len) + OBJECT_BYTES;
}

/**
 * gmem_squeezed_refs() - how many entries have an object
 * @s: likewise
 *
 * Return: the number.
 */
unsigned int gmem_squeezed_refs(const struct gmem_squeezed *s)
{
	return refcount_read(&s->refs);
}

/**
 * gmem_store_figures() - count
 * @f: the figures, all 0 if the store was never opened
 */
void gmem_store_figures(struct gmem_store_figures *f)
{
	f->entries = atomic_long_read(&store_entries);
	f->objects = atomic_long_read(&store_objects);
	f->bytes = atomic_long_read(&store_bytes);
	f->pool_pages = gmem_store_is_open() ? zs.get_total_pages(store_pool) : 0;
	f->rejected = atomic_long_read(&store_rejected);
	f->joined = atomic_long_read(&store_joined);
}
