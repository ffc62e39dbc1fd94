/*
 * Target   ef_view_markdown (section 14), what a dataset's owner writes.
 * Input    text | 1 byte: which allocation fails, 0 for none
 * Claims   what comes out has no tag but those of the list, each closed in
 *          order, blocks only in lists and quotes; no attribute but those of
 *          links and numbered lists; '<' and '&' of the text are escaped; it
 *          is UTF-8 without control or direction characters; its size is at
 *          most so many times the text's; the same again gives the same.
 * Covers   ef_view_markdown view_md_* view_next view_xml view_fill
 *          view_is_hidden
 * Seeds    vectors/markdown.txt    Dict  markdown
 */
#include "fuzz.h"
#include "markup.h"

/* Most that a byte becomes: "* * * *\n" opens and closes a list for two. */
#define GROWTH 64

static void
check(ef_slice html, size_t n)
{
    struct markup m = {.tags = " p h4 strong em del code pre ul ol li "
                               "blockquote hr br a small ",
                       .voids = " hr br ",
                       .blocks = " p h4 pre ul ol blockquote hr ",
                       .nests = " li blockquote "};

    markup_check(&m, html);
    FUZZ_ASSERT(html.n <= GROWTH * n + GROWTH);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t starve = fuzz_byte(&in);
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    ef_buf first = {0}, again = {0};

    FUZZ_REACHED();
    fuzz_alloc_left = starve;
    ef_view_markdown(&first, text);
    if (!fuzz_alloc_failed(starve))
        FUZZ_ASSERT(!first.failed);
    else
        FUZZ_ASSERT(first.failed);
    if (!first.failed)
        check((ef_slice){first.p, first.n}, text.n);
    ef_view_markdown(&again, text);
    if (!first.failed)
        FUZZ_ASSERT(again.n == first.n &&
                    (first.n == 0 || memcmp(first.p, again.p, first.n) == 0));
    ef_buf_free(&first);
    ef_buf_free(&again);
    free(block);
    return 0;
}
