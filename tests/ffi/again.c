/*
 * Loads and unloads the library again and again, and makes and frees many engines: neither may cost more and more.
 *
 *     again LIBRARY [ENGINES]
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <tidegate.h>
#include <time.h>

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Resident KiB. */
static long resident(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long all = 0, here = 0;
    if (!f || fscanf(f, "%ld %ld", &all, &here) != 2)
        abort();
    fclose(f);
    return here * 4;
}

static void *of(void *lib, const char *name)
{
    void *f = dlsym(lib, name);
    if (!f) {
        fprintf(stderr, "%s: %s\n", name, dlerror());
        exit(1);
    }
    return f;
}

/* A program's use of the library, by functions looked up: rules, `engines` engines, all freed. */
static void use(void *lib, int engines)
{
    static const char text[] = "alert udp any any -> any any (content:\"evil\"; sid:1;)\n";
    tg_status (*compile)(const tg_source *, size_t, const tg_settings *, tg_rule_error_fn, void *, tg_ruleset **);
    tg_status (*new_engine)(const tg_ruleset *, const tg_engine_config *, tg_engine **);
    tg_status (*free_engine)(tg_engine *);
    tg_status (*free_rules)(tg_ruleset *);
    tg_source source;
    tg_ruleset *rules = NULL;
    int i;
    *(void **)&compile = of(lib, "tg_ruleset_compile");
    *(void **)&new_engine = of(lib, "tg_engine_new");
    *(void **)&free_engine = of(lib, "tg_engine_free");
    *(void **)&free_rules = of(lib, "tg_ruleset_free");
    memset(&source, 0, sizeof source);
    source.text = text;
    source.text_len = sizeof text - 1;
    if (compile(&source, 1, NULL, NULL, NULL, &rules) != TG_OK)
        exit(1);
    for (i = 0; i < engines; i++) {
        tg_engine *e = NULL;
        if (new_engine(rules, NULL, &e) != TG_OK || free_engine(e) != TG_OK)
            exit(1);
    }
    if (free_rules(rules) != TG_OK)
        exit(1);
}

int main(int argc, char **argv)
{
    int engines = argc > 2 ? atoi(argv[2]) : 1000, i, round;
    long before = 0, after = 0;
    double start;
    void *lib;
    if (argc < 2)
        return 2;
    /* The allocator has as much as the largest engine in pieces needs after some hundred loads, mostly: what leaks grows in
     * every round of 200. */
    for (round = 0; round < 5 && (round < 3 || after > before + 1024); round++) {
        before = resident();
        for (i = 0; i < 200; i++) {
            lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
            if (!lib) {
                fprintf(stderr, "%s\n", dlerror());
                return 1;
            }
            use(lib, 1);
            dlclose(lib);
        }
        after = resident();
        printf("resident %ld KiB before and %ld after 200 loads\n", before, after);
    }
    if (after > before + 1024)
        return 1;
    lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return 1;
    start = now_ms();
    use(lib, engines);
    start = now_ms() - start;
    printf("%d engines, %.2f ms each, resident %ld KiB\n", engines, start / engines, resident());
    return resident() > after + 4096;
}
