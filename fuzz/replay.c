/*
 * replay.c -- a target's main where no fuzzing engine is linked.
 *
 * replay_NAME FILE|FOLDER...  runs every file, and every file of a folder,
 * through the target once. A file that never gets past the target's
 * preconditions, or a run of no file at all, is a failure: seeds that test
 * nothing would otherwise pass for ever. Those under regress/ may: they are
 * past crashes, kept as they were found.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned long files, idle;

static void
replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    unsigned long before = fuzz_reached;
    struct stat st;
    uint8_t *p;
    size_t n;

    if (f == NULL || fstat(fileno(f), &st) != 0) {
        perror(path);
        exit(1);
    }
    p = malloc((size_t)st.st_size + 1);
    n = p != NULL ? fread(p, 1, (size_t)st.st_size, f) : 0;
    fclose(f);
    if (p == NULL || n != (size_t)st.st_size) {
        fprintf(stderr, "%s: cannot read\n", path);
        exit(1);
    }
    (void)LLVMFuzzerTestOneInput(p, n);
    free(p);
    files++;
    if (fuzz_reached == before && strstr(path, "regress/") == NULL) {
        fprintf(stderr, "%s: never reaches the claims\n", path);
        idle++;
    }
}

static void
replay(const char *path)
{
    char name[4096];
    DIR *folder = opendir(path);
    struct dirent *e;

    if (folder == NULL) {
        replay_file(path);
        return;
    }
    while ((e = readdir(folder)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        replay_file(name);
    }
    closedir(folder);
}

int
main(int argc, char **argv)
{
    int i;

    for (i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%s: %lu files, %lu of them idle\n", argv[0], files, idle);
    return files == 0 || idle > 0;
}
