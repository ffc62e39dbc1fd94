/*
 * json_twin.h -- a document as jansson reads it, to compare with.
 *
 * Where the two differ on purpose, beyond encflow's limits:
 *
 *   integers   jansson refuses those past 64 bits; read as reals it does not
 *   NUL        jansson refuses a member name that holds one; encflow takes it,
 *              so about such a text jansson has no opinion
 *   NUL byte   no JSON text holds one, but jansson loses it after a number: it
 *              is not asked
 *   depth      jansson's own limit is 2048, past encflow's 64
 */
#ifndef ENCFLOW_JSON_TWIN_H
#define ENCFLOW_JSON_TWIN_H

#include <jansson.h>

#include "fuzz.h"
#include "twin.h"

/* The document, or NULL where it is refused; *nul_name: because of that. */
static inline json_t *
json_twin(ef_slice text, int *nul_name)
{
    json_error_t e;
    json_t *v;

    *nul_name = 0;
    if (text.n > 0 && memchr(text.p, 0, text.n) != NULL)
        return NULL;
    v = json_loadb(text.n > 0 ? (const char *)text.p : "", text.n,
                   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY |
                       JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL,
                   &e);
    *nul_name = v == NULL && json_error_code(&e) == json_error_null_byte_in_key;
    return v;
}

static inline ef_json_type
json_twin_type(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return EF_JSON_OBJECT;
    case JSON_ARRAY:
        return EF_JSON_ARRAY;
    case JSON_STRING:
        return EF_JSON_STRING;
    case JSON_INTEGER:
    case JSON_REAL:
        return EF_JSON_NUMBER;
    case JSON_TRUE:
        return EF_JSON_TRUE;
    case JSON_FALSE:
        return EF_JSON_FALSE;
    case JSON_NULL:
        break;
    }
    return EF_JSON_NULL;
}

/* A member's name, escapes resolved; b is the caller's to free. */
static inline ef_slice
json_twin_name(const ef_json *doc, uint32_t i, ef_buf *b)
{
    ef_json_node as_value = doc->nodes[i];
    ef_json one = {doc->text, &as_value, 1, 1};

    as_value.at = as_value.name_at;
    as_value.n = as_value.name_n;
    as_value.has_escape = 1; /* perhaps */
    ef_json_string(&one, 0, b);
    return twin_slice(b->p, b->n);
}

static inline int
json_twin_same_string(const ef_json *doc, uint32_t node, const json_t *v)
{
    ef_buf b = {0};
    int same;

    ef_json_string(doc, node, &b);
    same = twin_same(twin_slice(b.p, b.n), json_string_value(v),
                     json_string_length(v));
    ef_buf_free(&b);
    return same;
}

static inline int
json_twin_same_number(const ef_json *doc, uint32_t node, const json_t *v)
{
    const ef_json_node *e = &doc->nodes[node];
    char *text = fuzz_string(doc->text.p + e->at, e->n);
    double x = strtod(text, NULL), y = json_number_value(v);

    free(text);
    return memcmp(&x, &y, sizeof x) == 0; /* the sign of zero too */
}

/* Is the value at node the one that jansson has? And are its members found by
 * their names? */
static inline int
json_twin_same(const ef_json *doc, uint32_t node, const json_t *v)
{
    const ef_json_node *e = &doc->nodes[node];
    uint32_t i, k = 0;

    if (e->type != json_twin_type(v))
        return 0;
    if (e->type == EF_JSON_STRING)
        return json_twin_same_string(doc, node, v);
    if (e->type == EF_JSON_NUMBER)
        return json_twin_same_number(doc, node, v);
    for (i = node + 1; i < e->end; i = doc->nodes[i].end, k++) {
        ef_buf b = {0};
        ef_slice name = {0};
        const json_t *child = NULL;

        if (e->type == EF_JSON_ARRAY) {
            child = json_array_get(v, k);
        } else {
            name = json_twin_name(doc, i, &b);
            child = json_object_getn(v, b.p != NULL ? (char *)b.p : "", name.n);
            FUZZ_ASSERT(ef_json_member(doc, node, name) == i);
        }
        ef_buf_free(&b);
        if (child == NULL || !json_twin_same(doc, i, child))
            return 0;
    }
    return k == (e->type == EF_JSON_ARRAY    ? json_array_size(v)
                 : e->type == EF_JSON_OBJECT ? json_object_size(v)
                                             : 0);
}

#endif /* ENCFLOW_JSON_TWIN_H */
