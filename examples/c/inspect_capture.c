/*
 * Reads a capture through an engine and prints its events as EVE JSON, one a line.
 *
 *     inspect_capture CAPTURE [RULES [SETTINGS.yaml]]      all events
 *     inspect_capture -a CAPTURE RULES [SETTINGS.yaml]     alerts only, a line for people each
 */
#include "example.h"

static int print_json(const tg_event *event, void *user)
{
    FILE *out = user;
    tg_bytes line;
    tg_status status = tg_event_json(event, &line);
    if (status == TG_ERR_NOT_FOUND)
        return 0; /* The settings want no line for this one. */
    must(status, "tg_event_json");
    fwrite(line.data, 1, line.len, out);
    fputc('\n', out);
    return ferror(out); /* A closed pipe stops. */
}

static int print_alert(const tg_event *event, void *user)
{
    FILE *out = user;
    tg_alert alert;
    tg_event_info info;
    TG_INIT(alert);
    TG_INIT(info);
    must(tg_event_alert(event, &alert), "tg_event_alert");
    must(tg_event_describe(event, &info), "tg_event_describe");
    fprintf(out, "packet %llu, flow %llu: [%u:%u:%u] %.*s\n", (unsigned long long)info.index,
            (unsigned long long)info.flow_id, alert.gid, alert.sid, alert.rev, (int)alert.message.len,
            (const char *)alert.message.data);
    return ferror(out);
}

int main(int argc, char **argv)
{
    int alerts = argc > 1 && argv[1][0] == '-' && argv[1][1] == 'a';
    char **args = argv + alerts;
    int count = argc - alerts;
    if (count < 2 || count > 4) {
        fprintf(stderr, "usage: %s [-a] CAPTURE [RULES [SETTINGS.yaml]]\n", argv[0]);
        return 2;
    }

    tg_settings *settings = NULL;
    must(tg_settings_new(&settings), "tg_settings_new");
    if (count > 3)
        must(tg_settings_load(settings, args[3]), args[3]);
    tg_ruleset *rules = count > 2 ? rules_of(args[2], settings) : NULL;

    tg_engine_config config;
    TG_INIT(config);
    config.settings = settings;
    config.on_event = alerts ? print_alert : print_json;
    config.user = stdout;
    config.events = alerts ? TG_EVENT_ALERT : 0;
    config.flags = TG_ENGINE_CAPTURE; /* The same output each time. */
    tg_engine *engine = NULL;
    must(tg_engine_new(rules, &config, &engine), "tg_engine_new");
    tg_ruleset_free(rules);
    tg_settings_free(settings);

    tg_capture *capture = NULL;
    must(tg_capture_open(args[1], &capture), args[1]);
    tg_packet packets[256];
    size_t n;
    tg_status status;
    while ((status = tg_capture_next(capture, packets, 256, &n)) == TG_OK)
        must(tg_engine_process(engine, packets, n, NULL), "tg_engine_process");
    /* What was read before the damage counts. */
    int damaged = status != TG_ERR_NOT_FOUND;
    if (damaged)
        fprintf(stderr, "%s: %s\n", args[1], tg_last_error());
    must(tg_engine_finish(engine), "tg_engine_finish");

    tg_capture_close(capture);
    tg_engine_free(engine);
    return damaged && status != TG_ERR_TRUNCATED;
}
