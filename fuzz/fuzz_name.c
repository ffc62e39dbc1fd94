/*
 * Target   a dataset's name (section 8): ef_name_check.
 * Input    a name
 * Claims   accepted exactly where a slow twin finds 1 to 255 bytes of UTF-8,
 *          not "." or "..", without slash or control character; what is
 *          accepted names an entry of a folder and nothing else; a refusal
 *          says where.
 * Covers   ef_name_check is_c1 ef_utf8_check utf8_len utf8_step
 * Seeds    names in fuzz/seeds.py    Dict  fuzz/dict/name.dict
 */
#include <libgen.h>

#include "twin.h"

/* The character at p, by arithmetic; its bytes to *k, 0 where there is none. */
static uint32_t
character(ef_slice text, size_t at, size_t *k)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c = text.p[at], cp;
    size_t i, n = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    *k = 0;
    if (n == 0 || c >= 0xf8 || text.n - at < n)
        return 0;
    cp = n == 1 ? c : c % (1u << (7 - n));
    for (i = 1; i < n; i++) {
        if (text.p[at + i] / 64 != 2)
            return 0;
        cp = cp * 64 + text.p[at + i] % 64;
    }
    if (cp < least[n] || cp > 0x10ffff || cp / 0x800 == 0xd800 / 0x800)
        return 0;
    *k = n;
    return cp;
}

/* Where the name goes wrong, or name.n. Control characters are looked for
 * first, as bytes, so that they are found also in what is no UTF-8. */
static size_t
wrong_at(ef_slice name)
{
    size_t i, k;

    for (i = 0; i < name.n; i++)
        if (iscntrl(name.p[i]) || name.p[i] == '/' ||
            (name.p[i] == 0xc2 && i + 1 < name.n && name.p[i + 1] >> 5 == 4))
            return i;
    for (i = 0; i < name.n; i += k) {
        (void)character(name, i, &k);
        if (k == 0)
            return i;
    }
    return name.n;
}

/* In the folder /f the path /f/NAME has the last component NAME. */
static void
one_component(ef_slice name)
{
    char path[EF_MAX_NAME_BYTES + 8], copy[sizeof path];

    FUZZ_ASSERT(name.n <= EF_MAX_NAME_BYTES &&
                strlen("/f/") + name.n + 1 < sizeof path);
    snprintf(path, sizeof path, "/f/%.*s", (int)name.n, (const char *)name.p);
    FUZZ_ASSERT(strlen(path) == 3 + name.n);
    memcpy(copy, path, sizeof copy);
    FUZZ_ASSERT(strcmp(dirname(copy), "/f") == 0);
    memcpy(copy, path, sizeof copy);
    FUZZ_ASSERT(strcmp(basename(copy), path + 3) == 0);
    FUZZ_ASSERT(strcmp(path + 3, ".") != 0 && strcmp(path + 3, "..") != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    void *block;
    ef_slice name = fuzz_rest(&in, &block);
    int dots = twin_same(name, ".", 1) || twin_same(name, "..", 2);
    size_t at = wrong_at(name);
    ef_err err = {0};
    ef_status rc = ef_name_check(name, &err);

    FUZZ_REACHED();
    FUZZ_ASSERT((rc == EF_OK) == (name.n > 0 && !dots &&
                                  name.n <= EF_MAX_NAME_BYTES && at == name.n));
    if (rc == EF_OK) {
        one_component(name);
    } else {
        fuzz_refused(rc, &err, name.n);
        FUZZ_ASSERT(err.at == (name.n > EF_MAX_NAME_BYTES ? EF_MAX_NAME_BYTES
                               : name.n == 0 || dots      ? 0
                                                          : at));
    }
    free(block);
    return 0;
}
