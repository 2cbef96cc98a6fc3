/*
 * Says that a capture's bytes are more than they are. Built with the address sanitizer this must be found in the
 * library's own code: the proof that the Rust side is watched too.
 */
#include <stdlib.h>
#include <tidegate.h>

static int hit(uint32_t id, uint64_t end, void *user)
{
    (void)id;
    (void)end;
    (void)user;
    return 0;
}

int main(void)
{
    tg_db *db = NULL;
    tg_scratch *scratch = NULL;
    tg_pattern pattern = {(const uint8_t *)"needle", 6, 1, 0};
    uint8_t *data = malloc(100);
    if (!data || tg_db_compile(&pattern, 1, &db) != TG_OK || tg_scratch_new(db, &scratch) != TG_OK)
        return 2;
    memset(data, 'x', 100);
    return tg_db_scan(scratch, data, 4000, hit, NULL) == TG_OK ? 0 : 2;
}
