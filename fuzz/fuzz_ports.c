/*
 * Target   the ports folder (section 13): run_port_read; and run_empty, which
 *          removes a work folder.
 * Input    entries with bytes 1e between them: a letter for what it is, its
 *          name, byte 1f, location.txt, byte 1f, credentials.bin | schemes
 *          allowed and which port is read, which allocation fails. Each entry
 *          is made in a folder, as far as the system lets it.
 * Claims   a port is accepted exactly where a slow twin finds at least one
 *          dataset, and a good name, location, scheme and credentials in every
 *          one, no query twice; the datasets are in the order of their names,
 *          each with location, query and key; a message names no query; no
 *          descriptor and no secret memory is left; run_empty leaves nothing;
 *          without memory there is EF_E_MEMORY, or the same.
 * Covers   run_named run_port_free run_by_name run_url run_open
 *          run_read_location run_read_credentials run_folder_credentials
 *          run_dataset_read run_port_add run_port_entry run_port_read
 *          run_open_folder run_lift run_empty file_open_regular file_read_fd
 * Seeds    vectors/credentials.txt, folders in fuzz/seeds.py
 *          Dict  fuzz/dict/ports.dict
 */
#include "watch.h"

/* One allocation fails in a second reading; and few datasets are too many. */
#define malloc fuzz_malloc
#define calloc fuzz_calloc
#define realloc fuzz_realloc
#undef EF_MAX_DATASETS
#define EF_MAX_DATASETS 5
#define main encflow_main
#include "../encflow.c"
#undef malloc
#undef calloc
#undef realloc
#include "twin.h"

#define FOLDER "/dev/shm/encflow-fuzz-ports-XXXXXX"
#define ENTRIES 8 /* more are left out: each is a few files */

/* What was made, and whether it is right. */
struct entry {
    int kind;
    char *name; /* as it was made */
    ef_slice location, credentials;
    int made;    /* there is such an entry */
    int dataset; /* with something called dataset in it */
    int whole;   /* a folder, with both files, plain ones */
};

static ef_slice
next(ef_slice *text, int c)
{
    size_t n = slice_find(*text, c);
    ef_slice one = slice(text->p, n);

    *text = slice_from(*text, n + 1);
    return one;
}

/* --- making it --- */

static int
put(int dir, const char *name, ef_slice text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return 0;
    FUZZ_ASSERT(write(fd, text.p, text.n) == (ssize_t)text.n);
    close(fd);
    return 1;
}

/* In the folder dir: both files, or what the kind has in place of one. */
static int
make_files(int dir, const struct entry *e)
{
    int whole = 1;

    if (e->kind == 'L')
        whole = 0;
    else if (e->kind == 'o')
        whole = mkdirat(dir, "location.txt", 0700) < 0;
    else if (e->kind == 's') /* a link to a plain file is one */
        whole = put(dir, "elsewhere", e->location) &&
                symlinkat("elsewhere", dir, "location.txt") == 0;
    else
        whole = put(dir, "location.txt", e->location);
    if (e->kind == 'C')
        whole = 0;
    else if (e->kind == 'p')
        whole &= mkfifoat(dir, "credentials.bin", 0600) < 0;
    else if (e->kind == 'x')
        whole &= symlinkat("credentials.bin", dir, "credentials.bin") < 0;
    else
        whole &= put(dir, "credentials.bin", e->credentials);
    return whole;
}

/* NAME/dataset in the folder dir. */
static void
make_dataset(int dir, struct entry *e)
{
    int fd = openat(dir, e->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), sub;

    if (fd < 0)
        return;
    if (e->kind == 'D')
        e->dataset = put(fd, "dataset", e->location);
    else if (e->kind == 'y') { /* the system can't tell whether it is there */
        e->dataset = symlinkat("dataset", fd, "dataset") == 0;
    } else if (e->kind != 'n' && mkdirat(fd, "dataset", 0700) == 0) {
        e->dataset = 1;
        sub = openat(fd, "dataset", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        e->whole = make_files(sub, e);
        close(sub);
    }
    close(fd);
}

/* A letter chooses what the entry is; any other is a dataset. */
static void
make(int dir, int beside, struct entry *e)
{
    char target[32];
    size_t i;

    for (i = 0; e->name[i] != '\0'; i++)
        e->name[i] = e->name[i] == '/' ? '_' : e->name[i];
    if (e->kind == 'f') {
        e->made = put(dir, e->name, e->location);
    } else if (e->kind == 'l') { /* a link to a folder beside the port's */
        char *name = e->name;

        snprintf(target, sizeof target, "%p", (void *)e);
        e->name = target;
        if (mkdirat(beside, target, 0700) == 0)
            make_dataset(beside, e);
        e->name = name;
        snprintf(target, sizeof target, "../%p", (void *)e);
        e->made = symlinkat(target, dir, e->name) == 0;
    } else if (mkdirat(dir, e->name, 0700) == 0) {
        e->made = 1;
        make_dataset(dir, e);
    }
}

/* --- the twin --- */

static int
twin_entry(const struct entry *e, int schemes)
{
    ef_slice location = e->location;
    ef_credentials c = {.query = NULL};
    ef_scheme scheme;
    int good;

    while (location.n > 0 && isspace(location.p[0]))
        location = slice_from(location, 1);
    while (location.n > 0 && isspace(location.p[location.n - 1]))
        location.n--;
    good = e->whole && e->location.n <= EF_MAX_LOCATION_BYTES &&
           ef_name_check(slice_str(e->name), NULL) == EF_OK &&
           ef_location_check(&scheme, location, NULL) == EF_OK &&
           ((int)scheme & schemes) != 0 &&
           ef_credentials_parse(&c, e->credentials, NULL) == EF_OK;
    if (good && c.query_n > 0)
        good = scheme != EF_SCHEME_FILE &&
               memchr(location.p, '?', location.n) == NULL;
    ef_credentials_free(&c);
    return good;
}

/* The dataset is the entry's. */
static void
same(const struct run_dataset *d, const struct entry *e)
{
    ef_slice location = buf_slice(&d->location);
    size_t n = location.n;

    FUZZ_ASSERT(twin_same(slice_trim(e->location), location.p, n));
    FUZZ_ASSERT(d->url_n == n + (d->cred->query_n > 0) + d->cred->query_n);
    FUZZ_ASSERT(memcmp(d->url, location.p, n) == 0 && d->url[d->url_n] == 0);
    if (d->cred->query_n > 0)
        FUZZ_ASSERT(d->url[n] == '?' && memcmp(d->url + n + 1, d->cred->query,
                                               d->cred->query_n) == 0);
}

static void
accepted(const struct run_port *port, const struct entry *e, size_t n)
{
    size_t i, k, datasets = 0;

    for (i = 0; i < n; i++) {
        if (!e[i].dataset || !e[i].made)
            continue;
        datasets++;
        for (k = 0; k < port->n && strcmp(port->set[k].name, e[i].name) != 0;)
            k++;
        FUZZ_ASSERT(k < port->n);
        same(&port->set[k], &e[i]);
    }
    FUZZ_ASSERT(port->n == datasets);
    for (k = 1; k < port->n; k++)
        FUZZ_ASSERT(strcmp(port->set[k - 1].name, port->set[k].name) < 0);
}

/* The message has nothing of a query, unless a name has the same bytes, or the
 * path that it is in. */
static void
no_query(const char *where, const struct entry *e, size_t n)
{
    char query[9] = "", path[1024];
    size_t i, k;
    int named = 0;

    for (i = 0; i < n; i++) {
        k = slice_find(e[i].location, '?');
        if (e[i].location.n - k < 8)
            continue;
        memcpy(query, e[i].location.p + k, 8);
        for (k = 0; k < n; k++) {
            snprintf(path, sizeof path, "port/%s/dataset/", e[k].name);
            named |= strstr(path, query) != NULL;
        }
        FUZZ_ASSERT(named || strlen(query) < 8 || strstr(where, query) == NULL);
    }
}

/* Is the port as its entries are? */
static int
twin_port(const struct entry *e, size_t n, int schemes)
{
    size_t i, datasets = 0;

    for (i = 0; i < n; i++)
        if (e[i].made && e[i].dataset) {
            datasets++;
            if (!twin_entry(&e[i], schemes))
                return 0;
        }
    return datasets > 0 && datasets <= EF_MAX_DATASETS;
}

static ef_status
read_port(const char *folder, const char *name, const struct entry *e, size_t n,
          int schemes)
{
    struct run_port port = {NULL, 0};
    ef_err err = {0};
    int lowest = dup(0);
    ef_status rc;

    close(lowest);
    rc = run_port_read(&port, folder, name, schemes, &err);
    fuzz_alloc_left = 0;
    if (rc == EF_OK) {
        FUZZ_ASSERT(strcmp(name, "port") == 0 && twin_port(e, n, schemes));
        accepted(&port, e, n);
    } else {
        FUZZ_ASSERT(err.code == rc && err.msg != NULL);
        FUZZ_ASSERT(err.where[0] != '\0' || rc == EF_E_MEMORY);
        no_query(err.where, e, n);
    }
    run_port_free(&port);
    FUZZ_ASSERT(watch_held == 0 && port.set == NULL && port.n == 0);
    FUZZ_ASSERT(dup(0) == lowest);
    close(lowest);
    return rc;
}

/* The port, and now and then one that is a file or is not there. */
static void
read_twice(const char *folder, const struct entry *e, size_t n, uint8_t how,
           uint8_t starve)
{
    static const char *const names[] = {"port", "file", "missing", "port"};
    const char *name = names[how / 8 % 4];
    ef_status rc = read_port(folder, name, e, n, how % 8), again;

    FUZZ_ASSERT((rc == EF_OK) ==
                (strcmp(name, "port") == 0 && twin_port(e, n, how % 8)));
    fuzz_alloc_left = starve;
    again = read_port(folder, name, e, n, how % 8);
    FUZZ_ASSERT(again == rc || again == EF_E_MEMORY);
}

/* Folders that nobody may write or list go too. */
static void
empty(int fd, const char *folder)
{
    struct dirent *e;
    size_t n = 0;
    DIR *d = fdopendir(fd);

    (void)fchmodat(fd, "port", 0, 0);
    FUZZ_ASSERT(d != NULL && run_empty(d) == 0);
    closedir(d);
    d = opendir(folder);
    while ((e = readdir(d)) != NULL)
        n++;
    closedir(d);
    FUZZ_ASSERT(n == 2 && rmdir(folder) == 0); /* . and .. */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    uint8_t how = fuzz_byte(&in), starve = fuzz_byte(&in);
    struct entry e[ENTRIES] = {{0}};
    char folder[] = FOLDER;
    void *block;
    ef_slice text = fuzz_rest(&in, &block);
    int top, dir;
    size_t n;

    FUZZ_ASSERT(mkdtemp(folder) != NULL);
    top = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    FUZZ_ASSERT(top >= 0 && mkdirat(top, "port", 0700) == 0);
    FUZZ_ASSERT(put(top, "file", slice(NULL, 0)));
    dir = openat(top, "port", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (n = 0; n < ENTRIES && text.n > 0; n++) {
        ef_slice one = next(&text, 0x1e), name = next(&one, 0x1f);

        e[n].kind = name.n > 0 ? name.p[0] : 0;
        name = slice_from(name, 1);
        e[n].name = fuzz_string(name.p, name.n);
        e[n].location = next(&one, 0x1f);
        e[n].credentials = one;
        make(dir, top, &e[n]);
    }
    close(dir);
    FUZZ_REACHED();
    read_twice(folder, e, n, how, starve);
    empty(top, folder);
    while (n > 0)
        free(e[--n].name);
    free(block);
    return 0;
}
