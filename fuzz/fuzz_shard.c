/*
 * Target   shares of an array job (section 13): ef_shard_parse.
 * Input    text
 * Claims   a share is two numbers of 1 to 12 digits with a slash between them,
 *          as strtoull reads them, the first smaller than the second, and that
 *          no more than EF_MAX_SHARES; it is read back from what printf writes.
 * Covers   ef_shard_parse
 * Seeds    vectors/shards.txt    Dict  fuzz/dict/shard.dict
 */
#include "twin.h"

/* What the text should be, and its numbers where it has two. */
static ef_status
twin_shard(const char *text, size_t n, uint64_t *index, uint64_t *count)
{
    static const char digits[] = "0123456789";
    size_t a = strspn(text, digits), b;

    if (a < 1 || a > 12 || text[a] != '/')
        return EF_E_FORMAT;
    b = strspn(text + a + 1, digits);
    if (b < 1 || b > 12 || a + 1 + b != n)
        return EF_E_FORMAT;
    *index = strtoull(text, NULL, 10);
    *count = strtoull(text + a + 1, NULL, 10);
    if (*count > EF_MAX_SHARES)
        return EF_E_LIMIT;
    return *index < *count ? EF_OK : EF_E_FORMAT;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    char *plain = fuzz_string(text.p, text.n), again[32];
    uint64_t i = 0, n = 0;
    uint32_t index = 0, count = 0;
    ef_err err = {0};
    ef_status rc = ef_shard_parse(&index, &count, text, &err);

    FUZZ_REACHED();
    FUZZ_ASSERT(rc == twin_shard(plain, text.n, &i, &n));
    if (rc == EF_OK) {
        FUZZ_ASSERT(index == i && count == n);
        snprintf(again, sizeof again, "%u/%u", (unsigned)index,
                 (unsigned)count);
        FUZZ_ASSERT(ef_shard_parse(&index, &count,
                                   twin_slice(again, strlen(again)),
                                   NULL) == EF_OK);
        FUZZ_ASSERT(index == i && count == n);
    } else {
        fuzz_refused(rc, &err, text.n);
    }
    free(plain);
    free(block);
    return 0;
}
