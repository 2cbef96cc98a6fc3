/*
 * Searches text by rules, as a guardrail does with prompts.
 *
 *     scan_text RULES [TEXT]...     each argument is a text; without any, the standard input is one that comes in pieces
 *
 * Exits with 1 when something matched.
 */
#include "example.h"

static int print_match(const tg_match *m, void *user)
{
    int *matches = user;
    *matches += 1;
    printf("%llu-%llu [%u] %.*s (%.*s)\n", (unsigned long long)m->start, (unsigned long long)m->end, m->sid,
           (int)m->message.len, (const char *)m->message.data, (int)m->category.len,
           (const char *)m->category.data);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s RULES [TEXT]...\n", argv[0]);
        return 2;
    }
    tg_ruleset *rules = rules_of(argv[1], NULL);
    tg_scanner *scanner = NULL;
    /* As it is, and as it reads: case, look-alikes and invisible characters hide nothing. */
    must(tg_scanner_new(rules, TG_TEXT_GUARD, &scanner), "tg_scanner_new");
    tg_ruleset_free(rules);

    int matches = 0;
    for (int i = 2; i < argc; i++)
        must(tg_scanner_scan(scanner, argv[i], strlen(argv[i]), print_match, &matches), "tg_scanner_scan");

    if (argc == 2) {
        /* Tokens of a model's answer would come like this. */
        tg_scan_stream *stream = NULL;
        must(tg_scan_stream_new(scanner, &stream), "tg_scan_stream_new");
        char piece[16];
        size_t n;
        while ((n = fread(piece, 1, sizeof piece, stdin)) > 0)
            must(tg_scan_stream_feed(scanner, stream, piece, n, print_match, &matches), "tg_scan_stream_feed");
        tg_scan_stream_free(stream);
    }
    tg_scanner_free(scanner);
    return matches > 0;
}
