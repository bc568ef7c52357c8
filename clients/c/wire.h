/* What any C program needs to read the wire (docs/protocol.md): topics, values in msgpack maps, and what was lost. */
#include <msgpack.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define NAME "[a-z0-9][a-z0-9_.-]{0,63}"
#define TOPIC "^((embedding|early|event|model|status)/" NAME "|label/" NAME "/" NAME ")/$"
enum kind { EMBEDDING, EARLY, EVENT, LABEL, MODEL, STATUS, KINDS };
enum { BOOKS = 4096, FLAG_REPEAT = 32, FLAG_EARLY = 64 }; /* bounded: a sender that invents streams must not fill the memory */
static const char *const PREFIXES[KINDS] = {"embedding/", "early/", "event/", "label/", "model/", "status/"}; /* status last */
static const msgpack_object NOTHING = {.type = MSGPACK_OBJECT_NIL};
static regex_t topic_pattern; /* of TOPIC, to be compiled first */
struct topic { char text[161], stream[65], head[65]; enum kind kind; };
static struct book { struct topic topic; char session[16]; uint64_t first, expected, received, lost; } books[BOOKS];
static int n_books;

static bool is_text(const msgpack_object *value, const char *text) { /* any text, if it is NULL */
    const msgpack_object_str *found = &value->via.str;
    return value->type == MSGPACK_OBJECT_STR && (!text || (found->size == strlen(text) && !memcmp(found->ptr, text, found->size)));
}
static const msgpack_object *find(const msgpack_object *map, const char *key) {
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++)
        if (is_text(&map->via.map.ptr[i].key, key)) return &map->via.map.ptr[i].val;
    return &NOTHING;
}
static bool integer(const msgpack_object *value, int64_t low, int64_t high, int64_t *to) {
    bool positive = value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= INT64_MAX;
    *to = value->via.i64; /* one member of a union with u64 */
    return (positive || value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) && low <= *to && *to <= high;
}
static bool count(const msgpack_object *map, const char *key, int64_t *to) { return integer(find(map, key), 0, INT64_MAX, to); }
static const msgpack_object *unpack(msgpack_unpacked *to, zmq_msg_t *frame, size_t most) { /* a map, or NOTHING */
    size_t used = 0, size = zmq_msg_size(frame);
    bool fine = size <= most && msgpack_unpack_next(to, zmq_msg_data(frame), size, &used) == MSGPACK_UNPACK_SUCCESS;
    return fine && used == size && to->data.type == MSGPACK_OBJECT_MAP ? &to->data : &NOTHING;
}
static bool parse_topic(struct topic *to, const void *data, size_t size) {
    *to = (struct topic){.text = ""};
    if (size > 160 || memchr(data, 0, size)) return false;
    memcpy(to->text, data, size);
    if (regexec(&topic_pattern, to->text, 0, NULL, 0)) return false;
    while (strncmp(to->text, PREFIXES[to->kind], strlen(PREFIXES[to->kind]))) to->kind++;
    return sscanf(to->text, "%*[^/]/%64[^/]/%64[^/]", to->stream, to->head) > 0;
}
static struct book *book_of(const struct topic *topic, const char *session, uint64_t start, bool begin) {
    for (int i = 0; i < n_books; i++) {
        if (strcmp(books[i].topic.text, topic->text)) continue;
        if (!memcmp(books[i].session, session, 16)) return &books[i];
        start = 0; /* only what was sent before the first sign of a topic was before we joined */
    }
    if (!begin || n_books == BOOKS) return NULL;
    books[n_books] = (struct book){.topic = *topic, .first = start, .expected = start};
    return memcpy(books[n_books].session, session, 16), &books[n_books++];
}
static bool advance(struct book *book, uint64_t next, bool arrived) { /* to a number, arrived or named; false: a repeat */
    if (arrived && next <= book->received) return false;
    if (next > book->expected) book->lost += next - book->expected - arrived;
    else if (arrived && next > book->first) book->lost--; /* given up, and here after all */
    if (next > book->expected) book->expected = next;
    if (arrived) book->received = next;
    return true;
}
static bool read_vector(const msgpack_object *header, zmq_msg_t *payload, int64_t *dim, float *first) {
    const msgpack_object *shape = find(header, "shape");
    const uint8_t *at = zmq_msg_data(payload);
    if (!is_text(find(header, "dtype"), "<f4") || shape->type != MSGPACK_OBJECT_ARRAY || shape->via.array.size != 1) return false;
    if (!integer(shape->via.array.ptr, 1, 262144, dim) || zmq_msg_size(payload) != 4 * (size_t)*dim) return false;
    for (int64_t i = 0; i < *dim; i++, at += 4) {
        uint32_t bits = at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
        if ((bits & 0x7f800000) == 0x7f800000) return false; /* not finite */
        if (i < 3) memcpy(&first[i], &bits, 4);
    }
    return true;
}
