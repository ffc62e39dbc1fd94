/*
 * Target   key files (section 8): ef_key_parse.
 * Input    text
 * Claims   accepted and read as a slow twin does; a refusal says how many
 *          digits the text begins with, and leaves zeros.
 * Covers   ef_key_parse slice_trim_end
 * Seeds    vectors/container.txt    Dict  fuzz/dict/key.dict
 */
#include "twin.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    unsigned char key[EF_KEY_BYTES], want[EF_KEY_BYTES] = {0};
    ef_err err = {0};
    size_t at;
    int good = twin_key(want, text, &at);
    ef_status rc;

    memset(key, 0xa5, sizeof key);
    rc = ef_key_parse(key, text, &err);
    FUZZ_REACHED();
    FUZZ_ASSERT((rc == EF_OK) == good);
    FUZZ_ASSERT(memcmp(key, want, sizeof key) == 0);
    if (rc != EF_OK) {
        fuzz_refused(rc, &err, text.n);
        FUZZ_ASSERT(rc == EF_E_FORMAT && err.at == at);
    }
    free(block);
    return 0;
}
