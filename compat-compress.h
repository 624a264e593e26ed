/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's store of compressed pages (zsmalloc), and its compressors, as gmem/store.c uses
 * them. Where the store is a module it may not be loaded, and nothing else needs it: so its
 * functions are looked up when somebody wants them, and loading ditto takes none of it.
 */
#ifndef DITTO_COMPAT_COMPRESS_H
#define DITTO_COMPAT_COMPRESS_H

#include <linux/crypto.h>
#include <linux/err.h>
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/zsmalloc.h>

/* Later kernels copy out of the store and into it by other calls. */
#ifdef DITTO_ZS_READS
#define COMPAT_ZS_CALLS(call)							\
	call(create_pool) call(destroy_pool) call(malloc) call(free) call(get_total_pages) \
	call(obj_read_begin) call(obj_read_end) call(obj_write)
#else
#define COMPAT_ZS_CALLS(call)							\
	call(create_pool) call(destroy_pool) call(malloc) call(free) call(get_total_pages) \
	call(map_object) call(unmap_object)
#endif

#define COMPAT_ZS_MEMBER(name)	typeof(&zs_##name) name;
#define COMPAT_ZS_GET(name)	((zs)->name = symbol_get(zs_##name)) &&
#define COMPAT_ZS_PUT(name)	if ((zs)->name) symbol_put(zs_##name);

/* What the kernel has; all or nothing. */
struct compat_zs {
	COMPAT_ZS_CALLS(COMPAT_ZS_MEMBER)
};

static inline void compat_zs_put(struct compat_zs *zs)
{
	COMPAT_ZS_CALLS(COMPAT_ZS_PUT)
	memset(zs, 0, sizeof(*zs));
}

/* May sleep, and load a module. False: this kernel has none. */
static inline bool compat_zs_get(struct compat_zs *zs)
{
	memset(zs, 0, sizeof(*zs));
	if (!IS_BUILTIN(CONFIG_ZSMALLOC))
		request_module("zsmalloc");
	if (COMPAT_ZS_CALLS(COMPAT_ZS_GET) true)
		return true;
	compat_zs_put(zs);
	return false;
}

/* A place for @len bytes; 0 when out of memory. */
static inline unsigned long compat_zs_alloc(struct compat_zs *zs, struct zs_pool *pool,
					    size_t len, gfp_t gfp)
{
#ifdef DITTO_ZS_NODES
	unsigned long handle = zs->malloc(pool, len, gfp, NUMA_NO_NODE);
#else
	unsigned long handle = zs->malloc(pool, len, gfp);
#endif

	return IS_ERR_VALUE(handle) ? 0 : handle;
}

static inline void compat_zs_write(struct compat_zs *zs, struct zs_pool *pool,
				   unsigned long handle, void *from, size_t len)
{
#ifdef DITTO_ZS_READS
	zs->obj_write(pool, handle, from, len);
#else
	void *to = zs->map_object(pool, handle, ZS_MM_WO);

	memcpy(to, from, len);
	zs->unmap_object(pool, handle);
#endif
}

/*
 * Where the bytes are, until compat_zs_read_end(): between the two nobody sleeps. @page is a page
 * of the caller's for what lies in two pieces. Not in interrupts.
 */
static inline const void *compat_zs_read(struct compat_zs *zs, struct zs_pool *pool,
					 unsigned long handle, size_t len, void *page)
{
#ifdef DITTO_ZS_LENGTHS
	return zs->obj_read_begin(pool, handle, len, page);
#elif defined(DITTO_ZS_READS)
	return zs->obj_read_begin(pool, handle, page);
#else
	return zs->map_object(pool, handle, ZS_MM_RO);
#endif
}

static inline void compat_zs_read_end(struct compat_zs *zs, struct zs_pool *pool,
				      unsigned long handle, size_t len, const void *at)
{
#ifdef DITTO_ZS_LENGTHS
	zs->obj_read_end(pool, handle, len, (void *)at);
#elif defined(DITTO_ZS_READS)
	zs->obj_read_end(pool, handle, (void *)at);
#else
	zs->unmap_object(pool, handle);
#endif
}

/*
 * A compressor that works at once. One call at a time for each; none of them sleeps. The older
 * interface knows only such; of the newer one those are asked for.
 */
#ifdef DITTO_HAVE_CRYPTO_COMP
typedef struct crypto_comp compat_comp;

static inline compat_comp *compat_comp_alloc(const char *name)
{
	return crypto_alloc_comp(name, 0, 0);
}

static inline void compat_comp_free(compat_comp *comp)
{
	crypto_free_comp(comp);
}

/* @len: in: room at @to; out: bytes written. 0 or -errno: it does not fit. */
static inline int compat_comp_pack(compat_comp *comp, const void *from, unsigned int n, void *to,
				   unsigned int *len)
{
	return crypto_comp_compress(comp, from, n, to, len);
}

static inline int compat_comp_unpack(compat_comp *comp, const void *from, unsigned int n,
				     void *to, unsigned int *len)
{
	return crypto_comp_decompress(comp, from, n, to, len);
}
#else
#include <crypto/acompress.h>

typedef struct crypto_acomp compat_comp;

static inline compat_comp *compat_comp_alloc(const char *name)
{
	return crypto_alloc_acomp(name, 0, CRYPTO_ALG_ASYNC);
}

static inline void compat_comp_free(compat_comp *comp)
{
	crypto_free_acomp(comp);
}

static inline int compat_comp_pack(compat_comp *comp, const void *from, unsigned int n, void *to,
				   unsigned int *len)
{
	ACOMP_REQUEST_ON_STACK(req, comp);
	int err;

	acomp_request_set_src_nondma(req, from, n);
	acomp_request_set_dst_nondma(req, to, *len);
	err = crypto_acomp_compress(req);
	*len = req->dlen;
	return err;
}

static inline int compat_comp_unpack(compat_comp *comp, const void *from, unsigned int n,
				     void *to, unsigned int *len)
{
	ACOMP_REQUEST_ON_STACK(req, comp);
	int err;

	acomp_request_set_src_nondma(req, from, n);
	acomp_request_set_dst_nondma(req, to, *len);
	err = crypto_acomp_decompress(req);
	*len = req->dlen;
	return err;
}
#endif

#endif
