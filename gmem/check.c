// SPDX-License-Identifier: GPL-2.0-only
/*
 * The from-scratch checker of guest memory: recounts every page, entry and counter of every
 * gmem, and compares what the bindings and user space have mapped with what the index says.
 * It relies on none of the counters that it checks. Call it when nobody uses the gmems:
 * changes made meanwhile are reported as errors, and do no harm. It allocates while it holds a
 * chunk's lock, which no other code may do.
 */
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "gmem/bind.h"
#include "gmem/domain.h"
#include "gmem/entry.h"
#include "gmem/hooks.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/mappings.h"
#include "gmem/merge.h"
#include "gmem/sharers.h"
#include "gmem/space.h"
#include "gmem/store.h"
#include "gmem/whole.h"

/**
 * struct check_domain - a domain, recounted
 * @d: it, with a reference
 * @entries: of its gmems that point at shared pages
 * @pages: shared pages that know it
 */
struct check_domain {
	struct gmem_domain *d;
	long entries;
	long pages;
};

/**
 * struct check - one run of the checker
 * @m: where to print
 * @g: the gmem at hand
 * @bad: violations so far
 * @pinned: pages with references that neither index nor page tables explain
 * @own: the chunk at hand is @g's alone
 * @again: or has been seen in another gmem already
 * @common: private pages of chunks that are nobody's alone
 * @index: directories and chunks by address: how often they were seen, and what they say
 * @seen: chunks that are nobody's alone, by address
 * @pages: by pfn: 1 for a private page, 2 * n for a shared one seen in n entries
 * @domains: struct check_domain by the domain's address
 * @objects: how many entries have each struct gmem_squeezed, by its address
 * @spaces: pages counted in each, by its address; it is referenced
 * @private: of @g, recounted; so the next four
 * @shared: entries that point at shared pages
 * @zeroed: entries with GMEM_ZEROED
 * @squeezed: entries whose contents are compressed
 * @pending: entries with GMEM_PENDING
 * @whole: whole chunks
 * @chunks: chunks
 * @dirs: directories
 * @all_whole: whole chunks of all gmems
 */
struct check {
	struct seq_file *m;
	struct gmem *g;
	int bad;
	unsigned long pinned;
	bool own;
	bool again;
	unsigned long common;
	struct xarray index;
	struct xarray seen;
	struct xarray pages;
	struct xarray domains;
	struct xarray objects;
	struct xarray spaces;
	long private;
	long shared;
	long zeroed;
	long squeezed;
	long pending;
	long whole;
	long chunks;
	long dirs;
	long all_whole;
};

#define violation(ck, fmt, ...)							\
	do {									\
		(ck)->bad++;							\
		seq_printf((ck)->m, "violation: gmem: " fmt "\n", ##__VA_ARGS__);	\
	} while (0)

/* What is recounted of a domain that a gmem has; NULL without memory. */
static struct check_domain *check_domain(struct check *ck, struct gmem_domain *d)
{
	struct check_domain *cd = xa_load(&ck->domains, (unsigned long)d);

	if (cd)
		return cd;
	cd = kzalloc(sizeof(*cd), GFP_KERNEL);
	if (cd && xa_is_err(xa_store(&ck->domains, (unsigned long)d, cd, GFP_KERNEL))) {
		kfree(cd);
		cd = NULL;
	}
	if (!cd) {
		violation(ck, "out of memory, check incomplete");
		return NULL;
	}
	refcount_inc(&d->refs);
	cd->d = d;
	return cd;
}

/* A gmem has so many pages of its mount's space. */
static void note_space(struct check *ck, struct gmem_space *s, unsigned long used)
{
	unsigned long key = (unsigned long)s;
	void *was;

	if (!s)
		return;
	was = xa_load(&ck->spaces, key);
	if (xa_is_err(xa_store(&ck->spaces, key, xa_mk_value(used + (was ? xa_to_value(was) : 0)),
			       GFP_KERNEL)))
		violation(ck, "out of memory, check incomplete");
	else if (!was)
		refcount_inc(&s->refs);
}

#define OWNERS_SHIFT	31

/* A directory or chunk has been seen once more, and says that it has so many owners. */
static bool note_owner(struct check *ck, const void *p, int owners)
{
	unsigned long key = (unsigned long)p;
	unsigned long n = xa_to_value(xa_load(&ck->index, key) ?: xa_mk_value(0));

	n = (n & (BIT(OWNERS_SHIFT) - 1)) + 1;
	n |= (unsigned long)owners << OWNERS_SHIFT;
	if (xa_is_err(xa_store(&ck->index, key, xa_mk_value(n), GFP_KERNEL)))
		violation(ck, "out of memory, check incomplete");
	return n == 1;
}

/* After all gmems. */
static void check_owners(struct check *ck)
{
	unsigned long i, n;
	void *value;

	xa_for_each(&ck->index, i, value) {
		n = xa_to_value(value);
		if ((n & (BIT(OWNERS_SHIFT) - 1)) != n >> OWNERS_SHIFT)
			violation(ck, "part of an index: %lu owners, recounted %lu",
				  n >> OWNERS_SHIFT, n & (BIT(OWNERS_SHIFT) - 1));
	}
	xa_destroy(&ck->index);
	xa_destroy(&ck->seen);
}

/* References of a page: one of the index, one of each page table, the rest are pins. */
static void check_refs(struct check *ck, struct page *page)
{
	int refs = page_count(page), maps = gmem_page_mapcount(page);

	if (refs < 1 + maps)
		violation(ck, "pfn %#lx: %d references, %d mappings", page_to_pfn(page), refs,
			  maps);
	else if (refs > 1 + maps)
		ck->pinned++;
}

static void note_page(struct check *ck, struct page *page, unsigned long n)
{
	unsigned long pfn = page_to_pfn(page);
	unsigned long was = xa_to_value(xa_load(&ck->pages, pfn) ?: xa_mk_value(0));

	if (was && ((was | n) & 1))
		violation(ck, "pfn %#lx: in two entries", pfn);
	if (xa_is_err(xa_store(&ck->pages, pfn, xa_mk_value(was + n), GFP_KERNEL)))
		violation(ck, "out of memory, check incomplete");
}

static void check_private(struct check *ck, struct gmem_chunk *c, unsigned int nr,
			  struct page *page)
{
	struct check_domain *cd;

	if (ck->own)
		ck->private++;
	else
		ck->shared++;
	if (ck->again)
		return;
	note_page(ck, page, 1);
	check_refs(ck, page);
	cd = ck->own ? NULL : check_domain(ck, ck->g->domain);
	if (cd)
		cd->pages++;
	ck->common += !ck->own;
	if (gmem_page_chunk(page) != c || *gmem_page_nr(page) != nr)
		violation(ck, "pfn %#lx: does not know its entry", page_to_pfn(page));
}

static void check_shared(struct check *ck, struct page *page)
{
	ck->shared++;
	if (ck->again)
		return;
	if (!xa_load(&ck->pages, page_to_pfn(page)))
		check_refs(ck, page);
	note_page(ck, page, 2);
	if (!gmem_page_is_shared(page) || gmem_page_shared_domain(page) != ck->g->domain)
		violation(ck, "pfn %#lx: shared across domains", page_to_pfn(page));
}

/* In a chunk that is common it is one entry, however many have that. */
static void check_squeezed(struct check *ck, unsigned long v)
{
	unsigned long key = (unsigned long)gmem_entry_object(v);
	unsigned long was = xa_to_value(xa_load(&ck->objects, key) ?: xa_mk_value(0));

	ck->squeezed++;
	if (v & GMEM_SHARED)
		violation(ck, "entry %#lx: compressed, and shared", v);
	if (!ck->again && xa_is_err(xa_store(&ck->objects, key, xa_mk_value(was + 1), GFP_KERNEL)))
		violation(ck, "out of memory, check incomplete");
}

/* After all entries. */
static void check_objects(struct check *ck)
{
	struct gmem_store_figures f;
	unsigned long i, n, entries = 0, objects = 0;
	void *value;

	xa_for_each(&ck->objects, i, value) {
		n = xa_to_value(value);
		entries += n;
		objects++;
		if (gmem_squeezed_refs((struct gmem_squeezed *)i) != n)
			violation(ck, "compressed page: %u entries, recounted %lu",
				  gmem_squeezed_refs((struct gmem_squeezed *)i), n);
	}
	xa_destroy(&ck->objects);
	gmem_store_figures(&f);
	if (f.entries != entries || f.objects != objects)
		violation(ck, "%ld entries have %ld compressed pages, recounted %lu and %lu",
			  f.entries, f.objects, entries, objects);
}

static void check_entry(struct check *ck, struct gmem_chunk *c, unsigned int nr)
{
	unsigned long v = READ_ONCE(c->entry[nr]);

	ck->pending += ck->own && (v & GMEM_PENDING);
	if (v & (GMEM_PRESENT | GMEM_ZEROED | GMEM_APART) && c->base + nr >= gmem_npages(ck->g))
		violation(ck, "offset %#lx: a page beyond the end", c->base + nr);
	if (v & GMEM_LOCKED)
		violation(ck, "offset %#lx: locked by nobody", c->base + nr);
	if (v & GMEM_SHARED && v & GMEM_UWRITE)
		violation(ck, "offset %#lx: shared, and writable by user space",
			  c->base + nr);
	if (gmem_entry_private(v) && v & GMEM_FORKED)
		violation(ck, "offset %#lx: private, and shared by a fork", c->base + nr);
	if (gmem_entry_private(v))
		check_private(ck, c, nr, gmem_entry_page(v));
	else if (v & GMEM_PRESENT)
		check_shared(ck, gmem_entry_page(v));
	else if (gmem_entry_squeezed(v))
		check_squeezed(ck, v);
	else if (v & ~(GMEM_ZMAP | GMEM_ZEROED | GMEM_CHURN_MASK | GMEM_STAMP_MASK))
		violation(ck, "offset %#lx: entry %#lx", c->base + nr, v);
	else if (v & GMEM_ZEROED)
		ck->zeroed++;
}

/* What is not marked as changed is what the base has, or a reset would leave it. */
static void check_unchanged(struct check *ck, struct gmem_chunk *c)
{
	struct gmem_chunk *base = gmem_base_chunk(ck->g, c->base);
	unsigned int i;

	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		unsigned long v = READ_ONCE(c->entry[i]) ^ (base ? READ_ONCE(base->entry[i]) : 0);

		if ((v & (GMEM_ADDR | GMEM_PRESENT | GMEM_ZEROED)) && !test_bit(i, c->changed))
			violation(ck, "offset %#lx: changed, and not marked", c->base + i);
	}
	if (!bitmap_empty(c->changed, GMEM_CHUNK_PAGES) &&
	    !test_bit(gmem_chunk_nr(c->base), c->dir->changed))
		violation(ck, "offset %#lx: chunk changed, and not marked", c->base);
}

/* A whole chunk: as whole.c says. */
static void check_whole(struct check *ck, struct gmem_chunk *c)
{
	unsigned long first = READ_ONCE(c->entry[0]) & GMEM_ADDR;
	unsigned int i;

	ck->whole += ck->own;
	ck->all_whole += !ck->again;
	if (first % (GMEM_CHUNK_PAGES * PAGE_SIZE))
		violation(ck, "offset %#lx: whole, and not aligned", c->base);
	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		unsigned long v = READ_ONCE(c->entry[i]);

		if (!gmem_entry_private(v) || v & GMEM_APART ||
		    (v & GMEM_ADDR) != first + i * PAGE_SIZE)
			violation(ck, "offset %#lx: in a whole chunk, entry %#lx", c->base + i, v);
	}
}

static void check_chunk(struct check *ck, struct gmem_chunk *c, pgoff_t base)
{
	unsigned int i;

	mutex_lock(&c->lock);
	ck->chunks++;
	ck->own = gmem_chunk_held_by(c, ck->g);
	ck->again = xa_load(&ck->seen, (unsigned long)c);
	if (!ck->own && xa_is_err(xa_store(&ck->seen, (unsigned long)c, xa_mk_value(1),
					   GFP_KERNEL)))
		violation(ck, "out of memory, check incomplete");
	if (c->dead || c->base != base || (!ck->own && c->holder->g))
		violation(ck, "offset %#lx: wrong chunk", base);
	if (ck->own && atomic_read(&c->owners) != 1)
		violation(ck, "offset %#lx: own, and in %d directories", base,
			  atomic_read(&c->owners));
	for (i = 0; i < GMEM_CHUNK_PAGES; i++)
		check_entry(ck, c, i);
	if (c->whole)
		check_whole(ck, c);
	if (ck->own && ck->g->base)
		check_unchanged(ck, c);
	mutex_unlock(&c->lock);
}

/* One mapping of a binding: the page the index says, and writable only if its own, and private. */
static void check_mapping(void *ctx, pgoff_t off, unsigned long pfn, bool writable)
{
	struct check *ck = ctx;
	struct gmem_chunk *c;
	struct page *page;
	unsigned long v;
	bool own;

	rcu_read_lock();
	c = gmem_chunk_lookup(ck->g, off);
	v = c ? READ_ONCE(c->entry[off % GMEM_CHUNK_PAGES]) : 0;
	own = c && gmem_chunk_held_by(c, ck->g);
	rcu_read_unlock();
	page = v & GMEM_PRESENT ? gmem_entry_page(v) : READ_ONCE(ck->g->zero);
	if (!page || pfn != page_to_pfn(page))
		violation(ck, "offset %#lx: pfn %#lx mapped, %#lx in the index", off, pfn,
			  page ? page_to_pfn(page) : 0);
	if (v & GMEM_APART)
		violation(ck, "offset %#lx: mapped, and apart", off);
	if (writable && !(own && gmem_entry_private(v)))
		violation(ck, "offset %#lx: mapped writable, entry %#lx%s", off, v,
			  own ? "" : ", common");
	if (!(v & (GMEM_PRESENT | GMEM_ZMAP)))
		violation(ck, "offset %#lx: zero page mapped unnoticed", off);
}

/*
 * One page that user space maps: as above; and if it is mapped writable, the entry must say
 * so (GMEM_UWRITE).
 */
static void check_user_pte(struct check *ck, pgoff_t off, pte_t pte)
{
	unsigned long *e, v;

	/* In a private mapping, pages that the process wrote to are its own. */
	if (!pte_present(pte) || PageAnon(pfn_to_page(pte_pfn(pte))))
		return;
	if (off >= gmem_npages(ck->g)) {
		violation(ck, "offset %#lx: mapped beyond the end", off);
		return;
	}
	check_mapping(ck, off, pte_pfn(pte), pte_write(pte));
	rcu_read_lock();
	e = gmem_entry(ck->g, off);
	v = e ? READ_ONCE(*e) : 0;
	rcu_read_unlock();
	if (pte_write(pte) && !(v & GMEM_UWRITE))
		violation(ck, "offset %#lx: writable by user space unnoticed", off);
}

/* The entry of the page middle directory that has page tables for @addr, or NULL. */
static pmd_t *user_pmd(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	if (pgd_none(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud) || pud_leaf(*pud))
		return NULL;
	pmd = pmd_offset(pud, addr);
	return pmd_none(*pmd) || pmd_leaf(*pmd) ? NULL : pmd;
}

/* What the kernel has for this, it does not lend to modules in all its versions. */
static void check_user_vma(struct check *ck, struct vm_area_struct *vma)
{
	unsigned long addr, next;
	spinlock_t *lock;
	pmd_t *pmd;

	for (addr = vma->vm_start; addr < vma->vm_end && !fatal_signal_pending(current);
	     addr = next) {
		next = pmd_addr_end(addr, vma->vm_end);
		pmd = user_pmd(vma->vm_mm, addr);
		if (!pmd)
			continue;
		lock = pte_lockptr(vma->vm_mm, pmd);
		spin_lock(lock);
		for (; addr < next; addr += PAGE_SIZE)
			check_user_pte(ck, linear_page_index(vma, addr),
				       *pte_offset_kernel(pmd, addr));
		spin_unlock(lock);
		cond_resched();
	}
}

/* The lock keeps mappings, and the page tables below them, from going away. */
static bool check_space(struct address_space *mapping, void *ck)
{
	struct rb_node *node;

	i_mmap_lock_read(mapping);
	for (node = rb_first_cached(&mapping->i_mmap); node; node = rb_next(node)) {
		check_user_vma(ck, rb_entry(node, struct vm_area_struct, shared.rb));
		cond_resched();
	}
	i_mmap_unlock_read(mapping);
	return false;
}

static void check_counter(struct check *ck, const char *name, long have, long recount)
{
	if (have != recount)
		violation(ck, "%s is %ld, recounted %ld", name, have, recount);
}

/* The chunks of a directory that is seen for the first time have one owner more. */
static void check_dir(struct check *ck, struct gmem_dir *dir)
{
	struct gmem_chunk *c;
	unsigned int i;

	ck->dirs++;
	if (!note_owner(ck, dir, atomic_read(&dir->owners)))
		return;
	for (i = 0; i < GMEM_DIR_CHUNKS; i++) {
		c = rcu_access_pointer(dir->chunk[i]);
		if (c)
			note_owner(ck, c, atomic_read(&c->owners));
	}
}

/* At a quiet moment, that is; with size_lock, so that the root stays. */
static void check_dirs(struct check *ck)
{
	struct gmem_root *root;
	unsigned long i;

	mutex_lock(&ck->g->size_lock);
	down_write(&ck->g->fork_lock);
	root = gmem_root_stable(ck->g);
	for (i = 0; i < root->nr; i++)
		if (root->dir[i])
			check_dir(ck, root->dir[i]);
	up_write(&ck->g->fork_lock);
	mutex_unlock(&ck->g->size_lock);
}

/* After a fatal signal nobody reads the result, so the walk may stop anywhere. */
static void check_gmem(struct check *ck)
{
	struct gmem *g = ck->g;
	struct check_domain *cd;
	struct gmem_chunk *c;
	pgoff_t off;

	ck->private = ck->shared = ck->zeroed = ck->pending = ck->chunks = ck->dirs = 0;
	ck->squeezed = ck->whole = 0;
	check_dirs(ck);
	for (off = gmem_next_chunk(g, 0); off < gmem_index_end(g) && !fatal_signal_pending(current);
	     off = gmem_next_chunk(g, off + GMEM_CHUNK_PAGES)) {
		c = gmem_chunk_find(g, off);
		if (!c)
			continue;
		check_chunk(ck, c, off);
		gmem_chunk_put(c);
		cond_resched();
	}
	if (fatal_signal_pending(current))
		return;
	check_counter(ck, "nr_private", atomic_long_read(&g->nr_private), ck->private);
	check_counter(ck, "nr_shared", atomic_long_read(&g->nr_shared), ck->shared);
	check_counter(ck, "nr_zeroed", atomic_long_read(&g->nr_zeroed), ck->zeroed);
	check_counter(ck, "nr_squeezed", atomic_long_read(&g->nr_squeezed), ck->squeezed);
	check_counter(ck, "nr_pending", atomic_long_read(&g->nr_pending), ck->pending);
	check_counter(ck, "nr_whole", atomic_long_read(&g->nr_whole), ck->whole);
	check_counter(ck, "nr_chunks", atomic_long_read(&g->nr_chunks), ck->chunks);
	check_counter(ck, "nr_dirs", atomic_long_read(&g->nr_dirs), ck->dirs);
	note_space(ck, g->space, ck->private + ck->shared + ck->zeroed + ck->squeezed);
	cd = g->domain ? check_domain(ck, g->domain) : NULL;
	if (cd)
		cd->entries += ck->shared;
	gmem_check_bindings(g, check_mapping, ck);
	gmem_any_mapping(ck->g, check_space, ck);
}

/*
 * Does a page that was seen in @entries entries know so? No lock holds it any more: it may
 * have been freed, and be anybody's. Nothing that it says is followed.
 */
static void check_sharers_of(struct check *ck, struct page *page, unsigned long entries)
{
	int sharers = atomic_read(gmem_page_sharers(page));
	struct check_domain *cd;

	if (!gmem_page_is_shared(page)) {
		violation(ck, "pfn %#lx: no longer shared", page_to_pfn(page));
		return;
	}
	cd = xa_load(&ck->domains, (unsigned long)gmem_page_shared_domain(page));
	if (cd)
		cd->pages++;
	if (cd && cd->d->secure)
		entries++;	/* the engine */
	if (sharers != entries)
		violation(ck, "pfn %#lx: %d sharers, recounted %lu", page_to_pfn(page), sharers,
			  entries);
}

/* After all entries: does every shared page know how many there are? */
static void check_sharers(struct check *ck)
{
	unsigned long pfn, nr_shared = 0;
	void *value;

	xa_for_each(&ck->pages, pfn, value) {
		if (xa_to_value(value) & 1)
			continue;
		nr_shared++;
		check_sharers_of(ck, pfn_to_page(pfn), xa_to_value(value) / 2);
	}
	check_counter(ck, "shared pages", gmem_shared_pages(), nr_shared + ck->common);
}

/* After all gmems and pages. */
static void check_domains(struct check *ck)
{
	struct check_domain *cd;
	unsigned long i;

	xa_for_each(&ck->domains, i, cd) {
		check_counter(ck, "a domain's nr_shared", atomic_long_read(&cd->d->nr_shared),
			      cd->entries);
		check_counter(ck, "a domain's nr_shared_pages",
			      atomic_long_read(&cd->d->nr_shared_pages), cd->pages);
		gmem_domain_put(cd->d);
		kfree(cd);
	}
	xa_destroy(&ck->domains);
}

static void check_spaces(struct check *ck)
{
	unsigned long i;
	void *value;

	xa_for_each(&ck->spaces, i, value) {
		struct gmem_space *s = (struct gmem_space *)i;

		check_counter(ck, "a mount's used", percpu_counter_sum(&s->used),
			      xa_to_value(value));
		gmem_space_put(s);
	}
	xa_destroy(&ck->spaces);
}

#ifdef DITTO_KUNIT
void (*gmem_check_between)(void);
#endif

/**
 * gmem_check_all() - check every gmem from scratch
 * @m: violations are printed there, and a summary
 *
 * Process context, no lock held, at a quiet moment. Takes memory and time in proportion
 * to the guest memory there is.
 *
 * Return: the number of violations; -EINTR when a fatal signal came: what was printed means
 * nothing.
 */
int gmem_check_all(struct seq_file *m)
{
	struct check ck = { .m = m };
	unsigned long gmems = 0;

	gmem_merge_settle();
	gmem_drain();	/* what is being freed has pages, and is found no more */
	xa_init(&ck.index);
	xa_init(&ck.seen);
	xa_init(&ck.pages);
	xa_init(&ck.domains);
	xa_init(&ck.objects);
	xa_init(&ck.spaces);
	for (ck.g = gmem_next(NULL, false); ck.g; ck.g = gmem_next(ck.g, false)) {
		if (!fatal_signal_pending(current))
			check_gmem(&ck);
		gmems++;
	}
#ifdef DITTO_KUNIT
	if (gmem_check_between)
		gmem_check_between();
#endif
	check_counter(&ck, "whole chunks", atomic_long_read(&whole_knobs.chunks), ck.all_whole);
	check_owners(&ck);
	check_sharers(&ck);
	check_domains(&ck);
	check_spaces(&ck);
	check_objects(&ck);
	xa_destroy(&ck.pages);
	ck.bad += gmem_merge_check(m);
	seq_printf(m, "gmem: %lu objects, %ld shared pages, %lu pinned pages, %d violations\n",
		   gmems, gmem_shared_pages(), ck.pinned, ck.bad);
	return fatal_signal_pending(current) ? -EINTR : ck.bad;
}
