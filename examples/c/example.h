/* What the examples share: an error ends the program and says why. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <stdio.h>
#include <stdlib.h>
#include <tidegate.h>

/* Ends the program when a call failed. */
static inline void must(tg_status status, const char *what)
{
    if (status != TG_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, tg_strerror(status), tg_last_error());
        exit(1);
    }
}

/* Tells what is wrong with a rule; the others are loaded all the same. */
static inline int wrong_rule(const tg_rule_error *e, void *user)
{
    (void)user;
    fprintf(stderr, "%.*s:%u:%u: %.*s\n", (int)e->file.len, (const char *)e->file.data, e->line, e->column,
            (int)e->reason.len, (const char *)e->reason.data);
    return 0;
}

/* Compiles the rules of one file. */
static inline tg_ruleset *rules_of(const char *path, const tg_settings *settings)
{
    tg_source source = {path, NULL, 0, NULL};
    tg_ruleset *rules = NULL;
    must(tg_ruleset_compile(&source, 1, settings, wrong_rule, NULL, &rules), path);
    return rules;
}

#endif
