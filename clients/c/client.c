/* Prints what a streamdeep publisher sends as JSON lines. The wire: docs/protocol.md; the lines: docs/conformance.md. */
#define _POSIX_C_SOURCE 200809L
#include "wire.h"
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

static struct sender { char session[16]; bool same_host; int64_t offset_ns; } senders[BOOKS];
static int n_senders, n_refused;
static char here[400]; /* this machine, as in a status */

static int64_t now_ns(clockid_t clock) {
    struct timespec now;
    return clock_gettime(clock, &now), (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
static bool read_sequences(const struct topic *topic, const char *session, const msgpack_object *map, bool begin, bool enter) {
    struct topic other;
    int64_t last;
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object *key = &map->via.map.ptr[i].key;
        if (!is_text(key, NULL) || !integer(&map->via.map.ptr[i].val, -1, INT64_MAX, &last)) return false;
        bool mine = enter && parse_topic(&other, key->via.str.ptr, key->via.str.size) && !strcmp(other.stream, topic->stream);
        struct book *book = mine ? book_of(&other, session, (uint64_t)last + 1, begin) : NULL;
        if (book) advance(book, (uint64_t)last + 1, false);
    }
    return map->type == MSGPACK_OBJECT_MAP;
}
static void put_text(const char *key, const msgpack_object *text) {
    printf(",\"%s\":\"", key);
    for (uint32_t i = 0; i < text->via.str.size; i++) {
        unsigned char one = (unsigned char)text->via.str.ptr[i];
        printf(one < ' ' || one == '"' || one == '\\' ? "\\u%04x" : "%c", one);
    }
    putchar('"');
}
static bool read_message(zmq_msg_t *frames, const msgpack_object *header, msgpack_unpacked *unpacked) { /* false: refused */
    static const char *const TEXTS[KINDS] = {[EVENT] = "event", [LABEL] = "label", [MODEL] = "name", [STATUS] = "host"};
    struct topic topic;
    int64_t number, flags, sequence, utc, monotonic, captured = 0, latency = 0, start = 0, n_samples = 0, at = 0, dim = 0;
    float first[3];
    if (!parse_topic(&topic, zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0]))) return false;
    bool has_vector = topic.kind <= EARLY, has_place = has_vector || topic.kind == LABEL;
    const msgpack_object *payload = has_vector ? &NOTHING : unpack(unpacked, &frames[2], 65536);
    const msgpack_object *id = find(header, "session"), *lasts = find(payload, "sequences");
    const msgpack_object *text = has_vector ? &NOTHING : find(payload, TEXTS[topic.kind]);
    const char *session = id->via.bin.ptr;
    if (!integer(find(header, "v"), 1, 1, &number) || !is_text(find(header, "stream"), topic.stream)
        || id->type != MSGPACK_OBJECT_BIN || id->via.bin.size != 16 || !count(header, "sequence", &sequence)
        || !integer(find(header, "flags"), 0, UINT32_MAX, &flags) || !count(header, "published_utc_ns", &utc)
        || !count(header, "published_monotonic_ns", &monotonic) || (!has_vector && !is_text(text, NULL))
        || (has_place && (!count(header, "start_sample", &start) || !count(header, "n_samples", &n_samples)))
        || (has_vector && (!(flags & FLAG_EARLY) != (topic.kind == EMBEDDING) || !read_vector(header, &frames[2], &dim, first)
            || !count(header, "captured_utc_ns", &captured) || !count(header, "latency_ns", &latency)))
        || (topic.kind == EVENT && (!count(payload, "at_sample", &at) || !count(payload, "n_samples", &n_samples)))
        || (topic.kind == LABEL && !is_text(find(header, "head"), topic.head))
        || (topic.kind == MODEL && !integer(find(payload, "dim"), 1, INT64_MAX, &dim))
        || (topic.kind == STATUS && !read_sequences(&topic, session, lasts, false, false))) return false;
    struct book *book = book_of(&topic, session, (uint64_t)sequence, true);
    if (!book) return false;
    bool fresh = advance(book, (uint64_t)sequence + 1, true), repeat = flags & FLAG_REPEAT;
    int i = 0;
    while (i < n_senders && memcmp(senders[i].session, session, 16)) i++;
    if (i == n_senders) memcpy(senders[n_senders++].session, session, 16), senders[i].offset_ns = INT64_MAX;
    struct sender *sender = &senders[i];
    int64_t utc_ns = now_ns(CLOCK_REALTIME), offset_ns = utc_ns - utc;
    if (!repeat && offset_ns < sender->offset_ns) sender->offset_ns = offset_ns;
    if (topic.kind == STATUS) sender->same_host = is_text(text, here), read_sequences(&topic, session, lasts, !repeat, true);
    if (!fresh) return true;
    uint64_t lost = 0; /* of all topics of the stream */
    for (i = 0; i < n_books; i++) lost += strcmp(books[i].topic.stream, topic.stream) ? 0 : books[i].lost;
    printf("{\"kind\":\"%.*s\",\"stream\":\"%s\",\"sequence\":%" PRId64 ",\"lost\":%" PRIu64 ",\"refused\":%d",
           (int)strlen(PREFIXES[topic.kind]) - 1, PREFIXES[topic.kind], topic.stream, sequence, lost, n_refused);
    if (has_place) printf(",\"start_sample\":%" PRId64, start);
    if (topic.kind == EVENT) printf(",\"at_sample\":%" PRId64, at);
    if (has_place || topic.kind == EVENT) printf(",\"n_samples\":%" PRId64, n_samples);
    if (topic.kind == LABEL) printf(",\"head\":\"%s\"", topic.head);
    if (has_vector || topic.kind == MODEL) printf(",\"dim\":%" PRId64, dim);
    if (!has_vector) put_text(TEXTS[topic.kind], text);
    for (i = 0; has_vector && i < 3 && i < dim; i++) printf("%s%.9g", i ? "," : ",\"values\":[", first[i]);
    double bound_ns = sender->offset_ns == INT64_MAX ? 0 : (double)sender->offset_ns; /* double: strangers' sums overflow */
    double age_ns = sender->same_host ? now_ns(CLOCK_MONOTONIC) - monotonic + (double)latency : utc_ns - captured - bound_ns;
    if (has_vector) printf("],\"age_s\":%.6f", age_ns / 1e9);
    puts("}");
    return true;
}
int main(int n_arguments, char **arguments) {
    char boot[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (file && fscanf(file, "%63s", boot) == 1 && !gethostname(here, 255)) strcat(strcat(here, "/"), boot);
    if (file) fclose(file);
    setvbuf(stdout, NULL, _IOLBF, 0);
    regcomp(&topic_pattern, TOPIC, REG_EXTENDED);
    void *socket = zmq_socket(zmq_ctx_new(), ZMQ_SUB);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &(int){256}, sizeof(int));
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &(int64_t){1 << 20}, sizeof(int64_t));
    zmq_setsockopt(socket, ZMQ_RECONNECT_IVL_MAX, &(int){1000}, sizeof(int));
    for (int kind = 0; kind < KINDS; kind++) zmq_setsockopt(socket, ZMQ_SUBSCRIBE, PREFIXES[kind], strlen(PREFIXES[kind]));
    if (zmq_connect(socket, n_arguments > 1 ? arguments[1] : "tcp://127.0.0.1:5757")) return perror("connect"), 1;
    zmq_msg_t frames[3];
    for (int i = 0; i < 3; i++) zmq_msg_init(&frames[i]);
    for (int n = 0, more = 0;; n = more ? n : 0) {
        zmq_msg_t *frame = &frames[n < 2 ? n : 2]; /* receiving frees what it held; a fourth frame is refused anyhow */
        if (zmq_msg_recv(frame, socket, 0) < 0) return perror("receive"), 1;
        n++;
        if ((more = zmq_msg_more(frame))) continue;
        msgpack_unpacked header, payload;
        msgpack_unpacked_init(&header), msgpack_unpacked_init(&payload);
        if (n != 3 || !read_message(frames, unpack(&header, &frames[1], 16384), &payload)) n_refused++;
        msgpack_unpacked_destroy(&header), msgpack_unpacked_destroy(&payload);
    }
}
