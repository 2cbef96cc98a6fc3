/*
 * Tidegate: packets, flows, protocols and signatures, for programs in C.
 *
 * In short: tg_ruleset_compile reads rules, once for all threads. Each thread makes its engine by tg_engine_new, gives
 * it packets by tg_engine_process, which writes a verdict for each and calls back for events (tg_event_ functions read
 * them, tg_event_json gives EVE lines), and when none come calls tg_engine_tick. tg_engine_finish ends what still runs.
 * tg_engine_swap_rules changes the rules, tg_engine_flow_ functions find, block and bypass flows. Text without packets
 * is for tg_scanner_ functions, bare patterns for tg_db_ ones, a look at one packet for tg_packet_decode; tg_classify says
 * how much a text looks like an attack on a model.
 *
 * Every function that can fail returns a tg_status: TG_OK, or a negative number whose meaning never changes.
 * tg_strerror says it in words, tg_last_error what exactly went wrong in this thread. Results go through the last
 * arguments and are written only on success. A pointer to const is not written through. NULL where something must be
 * is TG_ERR_NULL, never a crash.
 *
 * Structs that begin with `size` are set up with TG_INIT: a program and a library of different versions then
 * understand each other. Handles are made by _new, _open or _compile and given back to _free or _close, once; a
 * second time is TG_ERR_HANDLE. "Thread-safe" is said where it holds; an object that one thread uses at a time
 * answers TG_ERR_BUSY to a second one, and TG_ERR_REENTRANT to a callback that it called itself.
 *
 * Times are nanoseconds since the Unix epoch, sizes are bytes. Callbacks must return; they must not throw or longjmp.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT
 */

#ifndef TIDEGATE_H
#define TIDEGATE_H

/* Made by cbindgen from the crate in ffi/. Do not edit: `make header`. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* Sets all members of a struct to zero, and its size: tg_engine_config c; TG_INIT(c); */
#define TG_INIT(object) (memset(&(object), 0, sizeof(object)), (void)((object).size = sizeof(object)))

// Asks to set instructions aside. A bit of `families`.
#define TG_RISK_PROMPT_INJECTION 1

// Talks a model out of its limits. A bit of `families`.
#define TG_RISK_JAILBREAK 2

// Instructions in what should be data. A bit of `families`.
#define TG_RISK_INDIRECT_INJECTION 4

// Asks for the system prompt. A bit of `families`.
#define TG_RISK_SYSTEM_PROMPT_EXTRACTION 8

// Hidden in other writing: base64, tag characters, reversed text, …. A bit of `families`.
#define TG_RISK_OBFUSCATION 16

// One word over and over. A bit of `families`.
#define TG_RISK_REPEATED_TOKEN 32

// Instructions in the description of a tool. A bit of `families`.
#define TG_RISK_TOOL_POISONING 64

// Asks to send data elsewhere. A bit of `families`.
#define TG_RISK_EXFILTRATION 128

// A key or password. A bit of `families`.
#define TG_RISK_SECRET_LEAK 256

// Data about persons. A bit of `families`.
#define TG_RISK_PII_LEAK 512

// Asks to run code or a command. A bit of `families`.
#define TG_RISK_REMOTE_CODE_EXECUTION 1024

// Elements of `reasons` of a tg_risk.
#define TG_RISK_REASONS 4

// Case of ASCII letters does not matter (regex: `i`). For tg_pattern.
#define TG_PATTERN_CASELESS 1

// The pattern is a regular expression in PCRE's language, without slashes and letters around it. Those that need
// backtracking are refused.
#define TG_PATTERN_REGEX 2

// Regex: the dot matches line feeds (`s`).
#define TG_PATTERN_DOTALL 4

// Regex: `^` and `$` match at every line (`m`).
#define TG_PATTERN_MULTILINE 8

// Regex: white space and comments in the pattern do not count (`x`).
#define TG_PATTERN_EXTENDED 16

// Regex: matches at the start only (`A`).
#define TG_PATTERN_ANCHORED 32

// Most packets one frame can give: itself and those of its tunnels. Room for tg_packet_decode.
#define TG_MAX_LAYERS 8

// Verdicts are obeyed: rules that drop block, and drop events come. For tg_engine_config.
#define TG_ENGINE_INLINE 1

// TCP packets with wrong checksums are inspected like others. Without this and TG_ENGINE_KNOWN_CHECKSUMS checksums
// are verified: what `flags` of a packet say counts, and the rest is computed, as a receiver of the packet would; who
// has a wrong one is kept out of its stream and counted (`tcp.invalid_checksum`).
#define TG_ENGINE_IGNORE_CHECKSUMS 2

// Of checksums only what `flags` of a packet say counts; nothing is computed. For traffic of senders on this machine,
// whose checksums a card was to fill in, where that is not known packet by packet.
#define TG_ENGINE_KNOWN_CHECKSUMS 4

// The packets are those of a capture: what is found is the same each time, flow numbers included, as hash tables are
// keyed by a secret that everybody knows unless `secret` is set; and unless they are ignored or only the known ones
// count, checksums are verified until more than a tenth of the first 1,000 packets (by `index`) have a wrong one: then
// they were captured before the card filled them in, and none counts. The command does so, too. Never for live
// traffic: senders could evict chosen flows.
#define TG_ENGINE_CAPTURE 8

// Shares that an engine's memory has. Later versions may have more. Room for tg_engine_memory.
#define TG_MEMORY_PARTS 15

// From client to server, as `direction` of tg_stream_feed.
#define TG_TO_SERVER 0

// From server to client.
#define TG_TO_CLIENT 1

// Ethernet, as `link_type`.
#define TG_LINK_ETHERNET 1

// IPv4 or IPv6 without a link header, as `link_type`.
#define TG_LINK_RAW_IP 101

// LINKTYPE_NULL of captures, whose own number is 0, as `link_type`.
#define TG_LINK_NULL 65535

// `vlan` is the outermost tag of the packet, which its receiver took out of the bytes. For `flags` of tg_packet.
#define TG_PACKET_VLAN 1

// The receiver found the IPv4 header's checksum right.
#define TG_PACKET_NETWORK_GOOD 2

// The receiver found it wrong.
#define TG_PACKET_NETWORK_BAD 4

// The receiver found the checksum of TCP or UDP right, or the packet never left this machine and its sender's card
// was to fill it in.
#define TG_PACKET_TRANSPORT_GOOD 8

// The receiver found it wrong.
#define TG_PACKET_TRANSPORT_BAD 16

// Upper and lower case are one, in all scripts. For tg_scanner_new.
#define TG_TEXT_CASE 1

// Compatible forms are what they stand for (Unicode NFKD): full width, styled letters, ligatures.
#define TG_TEXT_COMPATIBLE 2

// Letters that look like ASCII letters are those.
#define TG_TEXT_LOOKALIKES 4

// Marks on letters are dropped.
#define TG_TEXT_MARKS 8

// Zero-width characters, marks of direction, selectors and tags are dropped.
#define TG_TEXT_INVISIBLE 16

// A run of white space is one space.
#define TG_TEXT_SPACES 32

// All of them: what hides a phrase from a machine but not from a reader.
#define TG_TEXT_GUARD 63

// The phrase counts only as whole words: no letter, digit, low line or mark before it or behind it, "DAN" not in "danger".
// Characters that `normalise` drops are looked past. For tg_phrase.
#define TG_PHRASE_WORD 1

// Version of the ABI: the number in the SONAME. A program built with one is served by every library with the same.
#define TG_ABI_VERSION 1

// Version of the library this header belongs to.
#define TG_VERSION_MAJOR 0

// See TG_VERSION_MAJOR.
#define TG_VERSION_MINOR 1

// See TG_VERSION_MAJOR.
#define TG_VERSION_PATCH 0

// The version of the library this header belongs to as one number, as tg_version_number has it.
#define TG_VERSION_NUMBER (((TG_VERSION_MAJOR << 16) | (TG_VERSION_MINOR << 8)) | TG_VERSION_PATCH)

// How a call ended: TG_OK, or a negative number that never changes its meaning.
enum tg_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Done.
    TG_OK = 0,
    // A pointer that must not be NULL is NULL.
    TG_ERR_NULL = -1,
    // A value that is out of its range, or text that is no UTF-8 where it must be.
    TG_ERR_INVALID = -2,
    // The `size` member of a struct is none that any version of it has had.
    TG_ERR_SIZE = -3,
    // Not a living object of that kind: freed already, or never made here.
    TG_ERR_HANDLE = -4,
    // Another thread is inside this object, which one thread may use at a time.
    TG_ERR_BUSY = -5,
    // The object is in use further up the stack: called from a callback that it called.
    TG_ERR_REENTRANT = -6,
    // The object was in a call that failed inside. All that can be done with it is to free it.
    TG_ERR_POISONED = -7,
    // A fault of the library itself, told in the detail. The process is unharmed.
    TG_ERR_PANIC = -8,
    // A callback asked to stop.
    TG_ERR_STOPPED = -9,
    // There is none: no such flow, field or value.
    TG_ERR_NOT_FOUND = -10,
    // A file could not be read.
    TG_ERR_IO = -11,
    // A configuration, pattern or capture cannot be understood.
    TG_ERR_SYNTAX = -12,
    // Not now, or not in this mode: blocking where verdicts are not obeyed, an event looked at after its callback.
    TG_ERR_STATE = -13,
    // More than there is room for; how much is needed is told where the function says so.
    TG_ERR_ROOM = -14,
    // A capture ended in the middle of a record; what came before it was given.
    TG_ERR_TRUNCATED = -15,
    // The event is of another type than the function asks for.
    TG_ERR_TYPE = -16,
    // This library was built without that part.
    TG_ERR_UNSUPPORTED = -17,
    // There is not so much memory.
    TG_ERR_MEMORY = -18,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tg_status tg_status;
#else
typedef int32_t tg_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What `network` of tg_decoded can be.
enum tg_network
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // None, or none that is known.
    TG_NETWORK_NONE = 0,
    // ARP
    TG_NETWORK_ARP = 1,
    // IPv4
    TG_NETWORK_IPV4 = 2,
    // IPv6
    TG_NETWORK_IPV6 = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tg_network tg_network;
#else
typedef uint8_t tg_network;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What `transport` of tg_decoded can be.
enum tg_transport
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // None, or none that is known; fragments but the first.
    TG_TRANSPORT_NONE = 0,
    // TCP
    TG_TRANSPORT_TCP = 1,
    // UDP
    TG_TRANSPORT_UDP = 2,
    // ICMP for IPv4
    TG_TRANSPORT_ICMPV4 = 3,
    // ICMP for IPv6
    TG_TRANSPORT_ICMPV6 = 4,
    // SCTP
    TG_TRANSPORT_SCTP = 5,
    // GRE
    TG_TRANSPORT_GRE = 6,
    // ESP
    TG_TRANSPORT_ESP = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tg_transport tg_transport;
#else
typedef uint8_t tg_transport;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Type of an event.
enum tg_event_type
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // A rule matched.
    TG_EVENT_ALERT = 1,
    // A flow ended.
    TG_EVENT_FLOW = 2,
    // A protocol's transaction is complete: `http`, `dns`, `tls`, ….
    TG_EVENT_RECORD = 4,
    // A transferred file was seen to its end.
    TG_EVENT_FILE = 8,
    // Damaged or contradictory traffic.
    TG_EVENT_ANOMALY = 16,
    // A packet was dropped.
    TG_EVENT_DROP = 32,
    // What calls of models add up to: a service (`ai_service`), a window of telemetry (`ai_telemetry`). It has neither packet nor
    // flow; its fields are read as those of a record.
    TG_EVENT_SUMMARY = 64,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tg_event_type tg_event_type;
#else
typedef uint32_t tg_event_type;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Type of a field's value.
enum tg_field_type
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // `text`: as on the wire, not always UTF-8.
    TG_FIELD_TEXT = 1,
    // `number`
    TG_FIELD_UNSIGNED = 2,
    // `number`, to be read as int64_t.
    TG_FIELD_SIGNED = 3,
    // `real`
    TG_FIELD_REAL = 4,
    // `number`: 0 or 1.
    TG_FIELD_BOOL = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tg_field_type tg_field_type;
#else
typedef uint32_t tg_field_type;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How much a message matters.
enum tg_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Something failed.
    TG_LOG_ERROR = 1,
    // Something was left out or looks wrong.
    TG_LOG_WARNING = 2,
    // Worth knowing.
    TG_LOG_INFO = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tg_log_level tg_log_level;
#else
typedef uint32_t tg_log_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What is said about a rule.
enum tg_rule_note
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It is wrong and left out.
    TG_RULE_REFUSED = 1,
    // It is loaded, though something about it is odd.
    TG_RULE_ODD = 2,
    // Not about one rule: a list or a limit that was done without. `line` is 0.
    TG_RULE_GENERAL = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tg_rule_note tg_rule_note;
#else
typedef uint32_t tg_rule_note;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

#if defined(TIDEGATE_DPDK)
// A packet of DPDK.
typedef struct rte_mbuf rte_mbuf;
#endif

// An open pcap or pcapng file. One thread at a time may use it.
typedef struct tg_capture tg_capture;

// Judges texts: prompts, documents, what tools answer or say of themselves. One thread at a time may use it; make one
// for each thread, they share what they know.
typedef struct tg_classifier tg_classifier;

// Compiled patterns. Immutable: any number of threads may search it at the same time, each with its own scratch.
typedef struct tg_db tg_db;

// The state of one stream of a database, whose bytes come in pieces. One thread at a time may use it.
typedef struct tg_db_stream tg_db_stream;

// One worker's engine: flows, streams, protocols and rules, in memory taken when it is made. One thread at a time may
// use it; a call while another thread is inside is TG_ERR_BUSY. Make one for each core.
typedef struct tg_engine tg_engine;

// An event, lent to a callback. Only the thread that is in the callback may look at it, and only until the callback
// returns; so it is with all memory that it points to. Afterwards every function answers TG_ERR_STATE.
typedef struct tg_event tg_event;

// Compiled rules. Immutable: any number of threads and engines may use one object at the same time. Engines keep
// what they need of it, so it may be freed while they run.
typedef struct tg_ruleset tg_ruleset;

// A text that comes in pieces, such as the tokens of an answer. It belongs to the rules of the scanner that made it,
// and any scanner of the same rule set may go on with it. One thread at a time may use it.
typedef struct tg_scan_stream tg_scan_stream;

// Searches text by rules. One thread at a time may use it; make one for each thread, they share the rules.
typedef struct tg_scanner tg_scanner;

// What a search writes to, made for one database. One thread at a time may use it.
typedef struct tg_scratch tg_scratch;

// Settings of rules and engines. One thread at a time may use an object; what was made with it keeps a copy.
typedef struct tg_settings tg_settings;

// Functions that give and take memory. They may be called from any thread that uses the library, from several at
// once, and must not call back into it.
typedef struct tg_allocator {
    // sizeof(tg_allocator)
    size_t size;
    // Gives `bytes` bytes, aligned to `align` (a power of two), or NULL. `bytes` is never 0.
    void *(*alloc)(void *user, size_t bytes, size_t align);
    // Takes back what `alloc` or `alloc_zeroed` gave, with the same numbers.
    void (*free)(void *user, void *block, size_t bytes, size_t align);
    // Goes to all as it is.
    void *user;
    // As `alloc`, of bytes that are zero. An engine's tables begin so: whoever gets zeros from the system (calloc, mmap) spares
    // touching them. NULL: `alloc` is called and the bytes are cleared.
    void *(*alloc_zeroed)(void *user, size_t bytes, size_t align);
} tg_allocator;

// A packet of the caller, who keeps its bytes until the call that it is given to returns. Members that are not known
// are zero.
typedef struct tg_packet {
    // The frame from its link header on.
    const uint8_t *data;
    // Its bytes.
    uint32_t len;
    // Hash that the network card computed; it comes back in events and decides nothing.
    uint32_t rss_hash;
    // When it was seen, nanoseconds since the Unix epoch. Time in the engine is what packets and tg_engine_tick say.
    uint64_t ts_ns;
    // Its number in its source, from 1 (EVE `pcap_cnt`); 0: none.
    uint64_t index;
    // Port it came from; it comes back in events and decides nothing.
    uint16_t port;
    // LINKTYPE_ number; 0 is taken for TG_LINK_ETHERNET, and LINKTYPE_NULL is TG_LINK_NULL. Packets of unknown ones
    // are counted (`unknown_link` of tg_stats), told to the log once an engine, and not looked into.
    uint16_t link_type;
    // Bytes on the wire, when fewer were captured: these are what flows count, and the packet is not taken for a
    // damaged one. Its headers must be there; fragments must be whole. 0: as many as `len`. A tag that was taken out
    // does not count.
    uint32_t wire_len;
    // With TG_PACKET_VLAN: priority and identifier as on the wire (TCI), in the machine's byte order.
    uint16_t vlan;
    // A sum of TG_PACKET_ values. What is not said of checksums, tg_engine_config decides.
    uint16_t flags;
    // Zero, else TG_ERR_INVALID.
    uint32_t reserved;
} tg_packet;

// What says that a text is an attack, and where.
typedef struct tg_reason {
    // TG_RISK_ bits; 0: how it is worded.
    uint32_t families;
    // What it adds, in tenths of logarithms of odds.
    uint32_t weight;
    // Where it begins, bytes from the start of the text.
    uint32_t start;
    // Where it ends.
    uint32_t end;
} tg_reason;

// What a text was judged to be.
typedef struct tg_risk {
    // sizeof(tg_risk)
    size_t size;
    // 0 to 100: the probability in percent of an attack where one text in ten is one. Rules of `builtin:ai` alert from
    // 40 on.
    uint32_t score;
    // A sum of TG_RISK_ bits; tg_risk_family names them.
    uint32_t families;
    // How many of `reasons` there are.
    uint32_t reason_count;
    // 0
    uint32_t reserved;
    // The strongest reasons, the strongest first.
    struct tg_reason reasons[TG_RISK_REASONS];
} tg_risk;

// A pattern.
typedef struct tg_pattern {
    // Its bytes: 1 to 4096 of a literal.
    const uint8_t *data;
    // How many.
    size_t len;
    // The caller's number for it, which matches carry. Several patterns may have the same.
    uint32_t id;
    // A sum of TG_PATTERN_ values; 0: a literal, byte by byte.
    uint32_t flags;
} tg_pattern;

// What a database is made of.
typedef struct tg_db_info {
    // sizeof(tg_db_info)
    size_t size;
    // Literals.
    uint64_t literals;
    // Regular expressions.
    uint64_t regexes;
    // Bytes of memory.
    uint64_t bytes;
    // Bytes of the state of a stream.
    uint64_t stream_bytes;
} tg_db_info;

// Takes a match: the pattern's number and where it ends, bytes from the start. Any other return value than 0 ends the
// search with TG_ERR_STOPPED. It may use other objects of the library, but not this scratch and stream.
typedef int (*tg_db_match_fn)(uint32_t id, uint64_t end, void *user);

// A range of the bytes of a packet; empty when there is no such layer.
typedef struct tg_span {
    // From its start.
    uint32_t offset;
    // Bytes.
    uint32_t len;
} tg_span;

// One packet of a frame, decoded: the frame itself, or what a tunnel in it carries.
typedef struct tg_decoded {
    // Its bytes: the whole frame, or what the carrier carries. They are the caller's.
    const uint8_t *data;
    // How many.
    uint32_t len;
    // Link and tunnel layers, a bit each: tg_layer_name says which.
    uint32_t layers;
    // Source and destination MAC; zero without.
    uint8_t mac[2][6];
    // Type of the network layer in Ethernet.
    uint16_t ether_type;
    // VLAN identifiers, outermost first.
    uint16_t vlan[3];
    // How many.
    uint8_t vlans;
    // 0 for the frame itself, one more for every tunnel.
    uint8_t recursion;
    // The network layer.
    tg_network network;
    // The transport layer.
    tg_transport transport;
    // Addresses in network order, of IPv4 the first four bytes.
    uint8_t src[16];
    // See `src`.
    uint8_t dst[16];
    // Ports, where the transport has them.
    uint16_t src_port;
    // See `src_port`.
    uint16_t dst_port;
    // IP protocol number, after extension headers.
    uint8_t proto;
    // TTL or hop limit.
    uint8_t ttl;
    // TOS or traffic class.
    uint8_t tos;
    // 1: damaged so that its headers cannot be used.
    uint8_t invalid;
    // 1: a fragment.
    uint8_t fragment;
    // TCP flags as on the wire.
    uint8_t tcp_flags;
    // TCP window.
    uint16_t tcp_window;
    // TCP sequence number.
    uint32_t tcp_seq;
    // TCP acknowledgement number.
    uint32_t tcp_ack;
    // ICMP type.
    uint8_t icmp_type;
    // ICMP code.
    uint8_t icmp_code;
    // IPv4 identification.
    uint16_t ip_id;
    // Offset of a fragment, bytes.
    uint32_t fragment_offset;
    // VNI of the VXLAN or GENEVE tunnel it came out of, plus 1; 0: none.
    uint32_t vni;
    // The network header.
    struct tg_span network_header;
    // The transport header.
    struct tg_span transport_header;
    // What the transport carries.
    struct tg_span payload;
    // Anomalies, a bit each: tg_anomaly_name says which.
    uint64_t anomalies[4];
    // 1: the network's checksum was looked at and is right; 2: it is wrong; 0: not looked at.
    uint8_t network_checksum;
    // The transport's, likewise.
    uint8_t transport_checksum;
    // Zero.
    uint8_t reserved[6];
} tg_decoded;

// Takes an event. Any other return value than 0 stops: the call that led to it delivers no further event and ends
// with TG_ERR_STOPPED, with all packets inspected and all verdicts written. Of the engine only
// tg_engine_flow_block and tg_engine_flow_bypass may be called from here; other objects may be used freely.
typedef int (*tg_event_fn)(const struct tg_event *event, void *user);

// How an engine is made. Members that are zero have the customary meaning.
typedef struct tg_engine_config {
    // sizeof(tg_engine_config)
    size_t size;
    // Bytes that the engine takes, rules apart; 0: 256 MiB. tg_engine_memory says for what. All are taken when the
    // engine is made: TG_ERR_MEMORY when there are not so many, TG_ERR_INVALID when an engine needs more.
    uint64_t memory;
    // Settings; NULL: those that the rules were compiled with.
    const struct tg_settings *settings;
    // Called for every event; NULL: nobody is.
    tg_event_fn on_event;
    // Goes to `on_event` as it is.
    void *user;
    // Types of events wanted, a sum of TG_EVENT_ values; 0: all.
    uint32_t events;
    // A sum of TG_ENGINE_ values.
    uint32_t flags;
    // Keys the hash tables; zeros: 16 random bytes. Engines with the same secret give the same output for the same
    // packets, flow numbers included. Set it for captures only: senders who know it can evict chosen flows.
    uint8_t secret[16];
} tg_engine_config;

// What becomes of a packet: one of the TG_VERDICT_ values.
typedef uint8_t tg_verdict;

// A piece of memory that is not the caller's: text or bytes, without a NUL at its end. Empty: `data` may be NULL.
typedef struct tg_bytes {
    // The first byte.
    const uint8_t *data;
    // How many there are.
    size_t len;
} tg_bytes;

// A flow.
typedef struct tg_flow {
    // sizeof(tg_flow)
    size_t size;
    // Its number (EVE `flow_id`).
    uint64_t id;
    // Packet time of its first packet, nanoseconds.
    uint64_t start_ns;
    // Packet time of its newest packet.
    uint64_t last_ns;
    // Packets from the client, and back.
    uint64_t packets[2];
    // Frame bytes from the client, and back.
    uint64_t bytes[2];
    // Transactions so far.
    uint64_t transactions;
    // Application protocol; empty when it is not known.
    struct tg_bytes app_proto;
    // "new", "established", "closed", "bypassed".
    struct tg_bytes state;
    // Why it ended: "timeout", "shutdown", "forced", "tcp_reuse"; "unknown" while it lives.
    struct tg_bytes reason;
    // State of the TCP session as EVE's `tcp.state`; empty for others.
    struct tg_bytes tcp_state;
    // The client's address, as in tg_event_info.
    uint8_t client[16];
    // The server's address.
    uint8_t server[16];
    // Port of the client; of ICMP type and code.
    uint16_t client_port;
    // Port of the server.
    uint16_t server_port;
    // VLAN identifiers, outermost first.
    uint16_t vlan[3];
    // How many.
    uint8_t vlans;
    // 4 or 6.
    uint8_t ip_version;
    // IP protocol number.
    uint8_t proto;
    // All TCP flags seen from the client, and back.
    uint8_t tcp_flags[2];
    // 1: a rule alerted on it.
    uint8_t alerted;
    // 1: its packets are dropped.
    uint8_t blocked;
    // Tunnels it is inside of.
    uint8_t recursion;
    // Zero.
    uint8_t reserved[2];
} tg_flow;

// Ends of a flow, either way round.
typedef struct tg_flow_key {
    // sizeof(tg_flow_key)
    size_t size;
    // Addresses in network order, of IPv4 the first four bytes.
    uint8_t src[16];
    // See `src`.
    uint8_t dst[16];
    // Ports in host order; for ICMP the type << 8 | code.
    uint16_t src_port;
    // See `src_port`; for ICMP the answering type << 8.
    uint16_t dst_port;
    // VLAN identifiers, outermost first.
    uint16_t vlan[3];
    // How many.
    uint8_t vlans;
    // 4 or 6.
    uint8_t ip_version;
    // IP protocol number.
    uint8_t proto;
    // Tunnels it is inside of.
    uint8_t recursion;
    // Zero.
    uint8_t reserved[2];
} tg_flow_key;

// One share of an engine's memory.
typedef struct tg_memory_part {
    // Its name, as in docs/memory.md.
    struct tg_bytes name;
    // What it holds.
    struct tg_bytes holds;
    // Bytes.
    uint64_t bytes;
} tg_memory_part;

// What an engine has counted since it was made.
typedef struct tg_stats {
    // sizeof(tg_stats)
    size_t size;
    // Packets given in.
    uint64_t frames;
    // Their bytes.
    uint64_t bytes;
    // Packets, inner ones of tunnels counted too.
    uint64_t packets;
    // Damaged beyond use.
    uint64_t invalid;
    // TCP packets.
    uint64_t tcp;
    // UDP packets.
    uint64_t udp;
    // Flows so far.
    uint64_t flows;
    // Flows alive.
    uint64_t flows_active;
    // Flows given up to make room.
    uint64_t flows_evicted;
    // Alerts.
    uint64_t alerts;
    // Alerts that thresholds kept back.
    uint64_t alerts_suppressed;
    // Packets that went on.
    uint64_t forwarded;
    // Packets that were dropped or rejected.
    uint64_t dropped;
    // Packets that need no inspection any more.
    uint64_t bypassed;
    // Holes in streams.
    uint64_t gaps;
    // Bytes in use and reserved in the pool of streams.
    uint64_t stream_pool[2];
    // Bytes in use and reserved in the pool of protocols.
    uint64_t app_pool[2];
    // Requests that full pools refused.
    uint64_t pool_refused;
    // Events that nobody was told because a callback had stopped.
    uint64_t events_lost;
    // Packets whose link type is not known here: nothing in them is looked at. The log is told of the first.
    uint64_t unknown_link;
} tg_stats;

// Takes a counter: its name as in EVE's `stats`, parts joined by dots. Any other return value than 0 ends the walk
// with TG_ERR_STOPPED.
typedef int (*tg_counter_fn)(struct tg_bytes name, uint64_t value, void *user);

// A connection whose bytes the caller has in the clear: from a hook in a TLS library, a proxy, a tap of the kernel.
// Members that are not known are zero.
typedef struct tg_stream_config {
    // sizeof(tg_stream_config)
    size_t size;
    // Addresses in network order, of IPv4 the first four bytes.
    uint8_t client[16];
    // See `client`.
    uint8_t server[16];
    // Ports in host order.
    uint16_t client_port;
    // See `client_port`.
    uint16_t server_port;
    // 4 or 6.
    uint8_t ip_version;
    // Zero.
    uint8_t reserved[3];
    // When it was opened, nanoseconds since the Unix epoch.
    uint64_t ts_ns;
    // What the caller calls it: a process, a container, a user, a tenant; at most 256 bytes, which are copied. It comes
    // back in every event of its flow: `tag` of tg_event_info, EVE's `tag`.
    struct tg_bytes tag;
} tg_stream_config;

// What every event has.
typedef struct tg_event_info {
    // sizeof(tg_event_info)
    size_t size;
    // Its type.
    tg_event_type type_;
    // 4, 6, or 0 when it has no addresses.
    uint8_t ip_version;
    // IP protocol number.
    uint8_t proto;
    // 0 from client to server, 1 back.
    uint8_t direction;
    // VLAN identifiers in `vlan`.
    uint8_t vlans;
    // EVE's `event_type`: "alert", "flow", "http", "dns", ….
    struct tg_bytes name;
    // Nanoseconds since the Unix epoch.
    uint64_t ts_ns;
    // Number of the flow (EVE `flow_id`); 0 when it has none.
    uint64_t flow_id;
    // `index` of the packet; 0 when it has none.
    uint64_t index;
    // Number of the transaction in its flow (EVE `tx_id`), plus 1; 0 when it has none.
    uint64_t tx;
    // Application protocol of the flow; empty when it is not known.
    struct tg_bytes app_proto;
    // Addresses in network order, of IPv4 the first four bytes, as EVE's `src_ip` and `dest_ip`.
    uint8_t src[16];
    // See `src`.
    uint8_t dst[16];
    // Ports, where the protocol has them.
    uint16_t src_port;
    // See `src_port`.
    uint16_t dst_port;
    // Outermost first.
    uint16_t vlan[3];
    // `port` of the packet given to tg_engine_process that led to it; 0 at a flow's end.
    uint16_t port;
    // `rss_hash` of that packet.
    uint32_t rss_hash;
    // LINKTYPE_ number of `packet`, as in tg_packet.
    uint32_t link_type;
    // The packet's bytes; of one out of a tunnel what its carrier carried. Empty when it has none.
    struct tg_bytes packet;
    // What the caller calls the stream without packets that it is of (tg_stream_open); else empty.
    struct tg_bytes tag;
} tg_event_info;

// A match of a rule.
typedef struct tg_alert {
    // sizeof(tg_alert)
    size_t size;
    // Number of the signature.
    uint32_t sid;
    // Its generator, mostly 1.
    uint32_t gid;
    // Its revision.
    uint32_t rev;
    // 1 (high) to 255.
    uint32_t severity;
    // "alert", "drop", "reject", "pass": what is done, which thresholds may have changed.
    struct tg_bytes action;
    // `msg` of the rule.
    struct tg_bytes message;
    // Description of its class.
    struct tg_bytes category;
    // `classtype` of the rule.
    struct tg_bytes classtype;
    // The whole rule.
    struct tg_bytes rule;
    // The bytes that were inspected when they were a stream's; else the packet's payload. tg_event_alert_match says
    // in which buffer the rule matched.
    struct tg_bytes payload;
    // Line from 1 in the source the rule came from.
    uint32_t line;
    // Number of that source, files of a folder counted each.
    uint32_t source;
    // Pairs that tg_event_alert_metadata gives.
    uint32_t metadata;
    // Addresses that tg_event_alert_reference gives.
    uint32_t references;
    // 1: EVE's `alert.action` is "allowed", 0: "blocked".
    uint8_t allowed;
    // 1: matched in reassembled stream data.
    uint8_t in_stream;
    // 1: no match, but a packet that a `tag` of an earlier match covers.
    uint8_t tagged;
    // What becomes of the packet.
    tg_verdict verdict;
    // Zero.
    uint32_t reserved;
} tg_alert;

// Where the literal is by which an alert's rule was chosen.
typedef struct tg_alert_match {
    // sizeof(tg_alert_match)
    size_t size;
    // The sticky buffer as rules name it ("http.uri"); "payload" for the bytes of the packet or stream.
    struct tg_bytes buffer;
    // The value of that buffer, as far as it is there: of a body the part at hand.
    struct tg_bytes value;
    // Where the literal begins, bytes from the start of the whole value.
    uint64_t offset;
    // Its bytes as they are in the value.
    struct tg_bytes matched;
} tg_alert_match;

// Damaged or contradictory traffic.
typedef struct tg_anomaly {
    // sizeof(tg_anomaly)
    size_t size;
    // "decode", "stream" or "applayer", as EVE's `anomaly.type`.
    struct tg_bytes kind;
    // Its name, as rules have it.
    struct tg_bytes name;
    // Where it was found, for "applayer": "proto_parser", "proto_detect" or "parser"; else empty.
    struct tg_bytes layer;
    // The protocol, for "applayer".
    struct tg_bytes app_proto;
} tg_anomaly;

// A transferred file.
typedef struct tg_file {
    // sizeof(tg_file)
    size_t size;
    // Its name, if it has one.
    struct tg_bytes name;
    // "CLOSED", "TRUNCATED" or "ERROR", as EVE's `fileinfo.state`.
    struct tg_bytes state;
    // Bytes of it that were seen.
    uint64_t file_size;
    // The last bytes of it, as many as the settings keep.
    struct tg_bytes tail;
    // 16 bytes, or none.
    struct tg_bytes md5;
    // 20 bytes, or none.
    struct tg_bytes sha1;
    // 32 bytes, or none.
    struct tg_bytes sha256;
    // 1: bytes of it are missing.
    uint8_t gaps;
    // Zero.
    uint8_t reserved[7];
} tg_file;

// A dropped packet.
typedef struct tg_drop {
    // sizeof(tg_drop)
    size_t size;
    // Why, as EVE's `drop.reason`.
    struct tg_bytes reason;
    // The rule that dropped it; 0 when none did.
    uint32_t sid;
    // What becomes of the packet.
    tg_verdict verdict;
    // Zero.
    uint8_t reserved[3];
} tg_drop;

// A field of a protocol's record.
typedef struct tg_field {
    // sizeof(tg_field)
    size_t size;
    // Which of the members below holds the value.
    tg_field_type type_;
    // Zero.
    uint32_t reserved;
    // Its path: names as in EVE, joined by dots; items of lists by their numbers from 0 ("answers.0.rrname").
    struct tg_bytes path;
    // Text.
    struct tg_bytes text;
    // A whole number.
    uint64_t number;
    // A number with a fraction.
    double real;
} tg_field;

// Takes a field of a record. Any other return value than 0 ends the walk with TG_ERR_STOPPED.
typedef int (*tg_field_fn)(const struct tg_field *field, void *user);

// The record of an HTTP transaction. Members that it has not are empty or 0, here and in the other records.
typedef struct tg_http {
    // sizeof(tg_http)
    size_t size;
    // The request's method.
    struct tg_bytes method;
    // Host name.
    struct tg_bytes hostname;
    // The request's target.
    struct tg_bytes url;
    // Version of the protocol.
    struct tg_bytes protocol;
    // `User-Agent` of the request.
    struct tg_bytes user_agent;
    // `Referer` of the request.
    struct tg_bytes referrer;
    // `Content-Type` of the response.
    struct tg_bytes content_type;
    // `Location` of the response.
    struct tg_bytes redirect;
    // Bytes of the response's body on the wire.
    uint64_t length;
    // Status of the response.
    uint32_t status;
    // Port in the host header.
    uint32_t port;
} tg_http;

// The record of a DNS message.
typedef struct tg_dns {
    // sizeof(tg_dns)
    size_t size;
    // "request" or "response" ("query" or "answer" in EVE's versions 1 and 2).
    struct tg_bytes kind;
    // Name in the first question.
    struct tg_bytes rrname;
    // Type in the first question: "A", "AAAA", ….
    struct tg_bytes rrtype;
    // "NOERROR", "NXDOMAIN", … of a response.
    struct tg_bytes rcode;
    // Data of the first answer as text.
    struct tg_bytes rdata;
    // Identifier of the message.
    uint32_t id;
    // Answers in the record; each is at `answers.N.rrname`, `.rrtype`, `.ttl`, `.rdata` of tg_event_field.
    uint32_t answers;
} tg_dns;

// The record of a TLS handshake.
typedef struct tg_tls {
    // sizeof(tg_tls)
    size_t size;
    // Name that the client asked for.
    struct tg_bytes sni;
    // "TLS 1.3", ….
    struct tg_bytes version;
    // Subject of the server's certificate.
    struct tg_bytes subject;
    // Its issuer.
    struct tg_bytes issuer;
    // Its SHA-1 fingerprint, in hexadecimal with colons.
    struct tg_bytes fingerprint;
    // Its serial number.
    struct tg_bytes serial;
    // When it begins to be valid.
    struct tg_bytes not_before;
    // When it ends to be valid.
    struct tg_bytes not_after;
    // JA3 of the client, when it is made.
    struct tg_bytes ja3;
    // JA3S of the server, when it is made.
    struct tg_bytes ja3s;
    // JA4 of the client, when it is made.
    struct tg_bytes ja4;
} tg_tls;

// Takes a message, which ends in NUL and is valid during the call. It may be called from any thread that uses the
// library, from several at once, and must not call back into the library.
typedef void (*tg_log_fn)(tg_log_level level, const char *message, void *user);

// Where rules come from: a file or a folder of `*.rules` files, rules that ship (`builtin:ai`), or text. Members that are
// not used are zero.
typedef struct tg_source {
    // A file or folder, or "builtin:ai", ending in NUL; NULL: `text` is given.
    const char *path;
    // The rules themselves, one a line.
    const char *text;
    // Bytes of `text`, at least 1.
    size_t text_len;
    // What errors call the text, ending in NUL; NULL: "text".
    const char *name;
} tg_source;

// Something about a rule.
typedef struct tg_rule_error {
    // sizeof(tg_rule_error)
    size_t size;
    // What it means.
    tg_rule_note note;
    // Number of the signature; 0 when none could be read.
    uint32_t sid;
    // Line from 1, in `file`.
    uint32_t line;
    // Column in bytes from 1.
    uint32_t column;
    // The file, or the name of the text.
    struct tg_bytes file;
    // What is wrong, in words.
    struct tg_bytes reason;
    // A short text that equal reasons share.
    struct tg_bytes kind;
} tg_rule_error;

// Takes one note on a rule, valid during the call. Any other return value than 0 ends the compilation with
// TG_ERR_STOPPED. It may use other objects of the library.
typedef int (*tg_rule_error_fn)(const struct tg_rule_error *error, void *user);

// What a rule set is made of.
typedef struct tg_ruleset_info {
    // sizeof(tg_ruleset_info)
    size_t size;
    // Rules loaded.
    uint64_t loaded;
    // Rules refused.
    uint64_t refused;
    // Rules that say themselves that they do not apply here (`requires`).
    uint64_t skipped;
    // Literal patterns in all databases.
    uint64_t patterns;
    // Bytes of the pattern databases.
    uint64_t pattern_bytes;
} tg_ruleset_info;

// A phrase, for tg_scanner_new_phrases.
typedef struct tg_phrase {
    // The phrase in UTF-8, as people write it: nothing in it is special.
    const char *text;
    // Its bytes.
    size_t len;
    // The caller's number for it, which matches carry as `sid`. Several phrases may have the same.
    uint32_t id;
    // A sum of TG_PHRASE_ values.
    uint32_t flags;
} tg_phrase;

// A rule that matched a text.
typedef struct tg_match {
    // sizeof(tg_match)
    size_t size;
    // Number of the signature.
    uint32_t sid;
    // Its generator, mostly 1.
    uint32_t gid;
    // Its revision.
    uint32_t rev;
    // 1 (high) to 255.
    uint32_t severity;
    // Where the rule's most telling literal begins, bytes from the start of the text; of a rule without one the
    // window that was looked at.
    uint64_t start;
    // Where it ends.
    uint64_t end;
    // "alert", "drop", "reject".
    struct tg_bytes action;
    // `msg` of the rule.
    struct tg_bytes message;
    // Description of its class.
    struct tg_bytes category;
    // `classtype` of the rule.
    struct tg_bytes classtype;
    // The whole rule.
    struct tg_bytes rule;
} tg_match;

// Takes a match, valid during the call. Any other return value than 0 ends the scan with TG_ERR_STOPPED. It may use
// other objects of the library, but not this scanner and stream.
typedef int (*tg_match_fn)(const struct tg_match *found, void *user);

// It goes on.
#define TG_VERDICT_FORWARD 0

// It is dropped.
#define TG_VERDICT_DROP 1

// It is dropped, and its sender is told (TCP reset, ICMP unreachable), which is the caller's to do.
#define TG_VERDICT_REJECT_SRC 2

// It is dropped, and its receiver is told.
#define TG_VERDICT_REJECT_DST 3

// It is dropped, and both ends are told.
#define TG_VERDICT_REJECT_BOTH 4

// It goes on, and no further packet of its flow needs to be shown to the engine.
#define TG_VERDICT_BYPASS 5

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Lets all memory of the library come from `allocator`. It must be the first thing asked of the library: once it has
// taken memory, TG_ERR_STATE. Thread-safe. The struct is copied; the functions must stay for as long as the process
// runs, and a little of what they gave is never given back.
tg_status tg_allocator_set(const struct tg_allocator *allocator);

// Opens a capture; "-" is the standard input. Thread-safe.
tg_status tg_capture_open(const char *path, struct tg_capture **out);

// Gives the next packets, at most `room` of them, and how many. Their bytes stay until the next call. At the end:
// TG_ERR_NOT_FOUND. A damaged file gives what comes before the damage first. One thread at a time for a capture.
tg_status tg_capture_next(struct tg_capture *capture,
                          struct tg_packet *packets,
                          size_t room,
                          size_t *count);

// Closes a capture; NULL is nothing to do. TG_ERR_HANDLE when it was closed before. Thread-safe: TG_ERR_BUSY while
// another thread is inside.
tg_status tg_capture_close(struct tg_capture *capture);

// Makes a classifier. The first of a process takes some milliseconds. Thread-safe.
tg_status tg_classifier_new(struct tg_classifier **out);

// Judges one text. The same text has the same score on every machine. It takes no memory. One thread at a time for a
// classifier.
tg_status tg_classify(struct tg_classifier *classifier,
                      const char *text,
                      size_t len,
                      struct tg_risk *out);

// Name of a family, such as "prompt_injection": of the lowest bit of `family`. NULL when there is none. Thread-safe; the
// text is there for ever.
const char *tg_risk_family(uint32_t family);

// Frees a classifier; NULL is nothing to do. TG_ERR_HANDLE when it was freed before. Thread-safe: TG_ERR_BUSY while
// another thread is inside.
tg_status tg_classifier_free(struct tg_classifier *classifier);

// Whether a dataset has a value, into `found` (1 or 0). `value` is text as in rules and files: hexadecimal digits of
// digests, addresses; of a dataset of strings the string itself, not in base64. Thread-safe.
//
// TG_ERR_INVALID when no rule names such a dataset, or the value is not of its type.
tg_status tg_dataset_contains(const struct tg_ruleset *rules,
                              const char *name,
                              const void *value,
                              size_t len,
                              int *found);

// Adds a value to a dataset, for all engines that have the rule set. `added`: 1 if it was not there, NULL if nobody
// asks. Values as for `tg_dataset_contains`. Thread-safe, also while engines run.
//
// TG_ERR_MEMORY when the dataset has no room left (`hashsize` in the rule or the settings makes more).
tg_status tg_dataset_add(const struct tg_ruleset *rules,
                         const char *name,
                         const void *value,
                         size_t len,
                         int *added);

// Takes a value out of a dataset, for all engines that have the rule set. `removed`: 1 if it was there, NULL if
// nobody asks. Values as for `tg_dataset_contains`. Thread-safe, also while engines run.
tg_status tg_dataset_remove(const struct tg_ruleset *rules,
                            const char *name,
                            const void *value,
                            size_t len,
                            int *removed);

// Compiles `count` patterns. The first wrong one is TG_ERR_SYNTAX, with its number and place in the detail.
// Thread-safe.
tg_status tg_db_compile(const struct tg_pattern *patterns, size_t count, struct tg_db **out);

// Tells what a database is made of. Thread-safe.
tg_status tg_db_describe(const struct tg_db *db, struct tg_db_info *out);

// Makes a scratch for searches of a database. Thread-safe. The database may be freed.
tg_status tg_scratch_new(const struct tg_db *db, struct tg_scratch **out);

// Searches `len` bytes for the patterns of the scratch's database and gives every match to `callback`, in order of
// their ends: every occurrence of a literal, and every end of a regular expression. It takes no memory. One thread at
// a time for a scratch.
tg_status tg_db_scan(struct tg_scratch *scratch,
                     const uint8_t *data,
                     size_t len,
                     tg_db_match_fn callback,
                     void *user);

// Frees a scratch; NULL is nothing to do. TG_ERR_HANDLE when it was freed before. Thread-safe: TG_ERR_BUSY while
// another thread is inside.
tg_status tg_scratch_free(struct tg_scratch *scratch);

// Makes a stream of a database of literals; TG_ERR_STATE when it has regular expressions. Thread-safe. The database
// may be freed.
tg_status tg_db_stream_new(const struct tg_db *db,
                           struct tg_db_stream **out);

// Searches the next bytes of a stream; ends are counted from its start, and matches are the same for every cut. The
// stream moves on by all of `piece`, also when the callback stops. One thread at a time for a stream.
tg_status tg_db_stream_scan(struct tg_db_stream *stream,
                            const uint8_t *piece,
                            size_t len,
                            tg_db_match_fn callback,
                            void *user);

// Begins a stream anew. One thread at a time for a stream.
tg_status tg_db_stream_reset(struct tg_db_stream *stream);

// Frees a stream; NULL is nothing to do. TG_ERR_HANDLE when it was freed before. Thread-safe: TG_ERR_BUSY while
// another thread is inside.
tg_status tg_db_stream_free(struct tg_db_stream *stream);

// Frees a database; NULL is nothing to do. Its scratches and streams live on. TG_ERR_HANDLE when it was freed before.
// Thread-safe: TG_ERR_BUSY while another thread is inside.
tg_status tg_db_free(struct tg_db *db);

// Decodes a packet and writes what is in it, the frame itself first, then what its tunnels carry: at most
// TG_MAX_LAYERS. With less `room` than there are TG_ERR_ROOM, nothing is written and `count` says how many. Ports of
// tunnels are the customary ones. Thread-safe; no object is needed.
tg_status tg_packet_decode(const struct tg_packet *packet,
                           struct tg_decoded *out,
                           size_t room,
                           size_t *count);

// The name of bit `bit` of `layers`: "ethernet", "vlan", "vxlan", …; NULL when there is none. Thread-safe; the text
// is there for ever.
const char *tg_layer_name(uint32_t bit);

// The name of bit `bit` of `anomalies` (bit % 64 of word bit / 64), as rules have it: "ipv4.trunc_pkt", …; NULL when
// there is none. Thread-safe; the text is there for ever.
const char *tg_anomaly_name(uint32_t bit);

// Makes an engine that runs `rules`; NULL: no rules, events of flows and protocols only. `config` NULL: all zero.
// Thread-safe. The engine keeps what it needs of rules and settings, which may be freed.
tg_status tg_engine_new(const struct tg_ruleset *rules,
                        const struct tg_engine_config *config,
                        struct tg_engine **out);

// Inspects `count` packets in order and writes `count` verdicts, if `verdicts` is not NULL. Best given 32 or more at
// a time. It takes no memory and does not block. One thread at a time for an engine.
//
// With TG_ERR_STOPPED all verdicts are written; with every other error none of the burst of 32 that it happened in.
tg_status tg_engine_process(struct tg_engine *engine,
                            const struct tg_packet *packets,
                            size_t count,
                            tg_verdict *verdicts);

#if defined(TIDEGATE_DPDK)
// As tg_engine_process, for packets of DPDK, which stay the caller's and are looked at where they lie; those in
// several pieces are put together in a buffer of the engine. All count as seen at `now_ns`. In libraries built with
// DPDK (define TIDEGATE_DPDK). One thread at a time for an engine.
tg_status tg_engine_process_mbufs(struct tg_engine *engine,
                                  struct rte_mbuf *const *mbufs,
                                  size_t count,
                                  uint64_t now_ns,
                                  tg_verdict *verdicts);
#endif

// Lets time pass without packets: flows and fragments that are idle too long end, which may bring events. Call it
// about once a second when no packets come. A time more than 10 s ahead counts when three different ones in a row are
// (docs/time.md). One thread at a time for an engine.
tg_status tg_engine_tick(struct tg_engine *engine,
                         uint64_t now_ns);

// Ends all flows, as at the end of a capture: what they still hold is inspected and reported. The engine can be used
// again afterwards. One thread at a time for an engine.
tg_status tg_engine_finish(struct tg_engine *engine);

// Goes on with other rules. Flows stay; what rules noted on them (flowbits, flowints, flowvars) begins anew, as do
// their looks at unfinished transactions; thresholds go on by gid, sid and rev, xbits by name, and datasets are
// those of the rule set, shared by all engines that have it. Takes memory, frees none of the old rules: that is
// done by the next `tg_ruleset_compile` or `tg_ruleset_free`. One thread at a time for an engine.
tg_status tg_engine_swap_rules(struct tg_engine *engine,
                               const struct tg_ruleset *rules);

// Frees an engine without ending its flows (see tg_engine_finish); NULL is nothing to do. TG_ERR_HANDLE when it was
// freed before, TG_ERR_BUSY or TG_ERR_REENTRANT while somebody is inside: then it lives on. Thread-safe.
tg_status tg_engine_free(struct tg_engine *engine);

// Tells of the living flow number `id`. One thread at a time for an engine; what `out` points to afterwards is valid
// for ever.
tg_status tg_engine_flow(struct tg_engine *engine,
                         uint64_t id,
                         struct tg_flow *out);

// Finds the living flow between two ends and tells its number. One thread at a time for an engine.
tg_status tg_engine_flow_find(struct tg_engine *engine,
                              const struct tg_flow_key *key,
                              uint64_t *id);

// Drops every further packet of flow `id`. TG_ERR_NOT_FOUND when no such flow is alive, TG_ERR_STATE when the engine
// is not inline. One thread at a time for an engine; from the engine's event callback it is done after the burst of
// 32 packets at hand, and a flow that is not there then is no error.
tg_status tg_engine_flow_block(struct tg_engine *engine,
                               uint64_t id);

// Inspects no further packet of flow `id`: their verdict is TG_VERDICT_BYPASS. TG_ERR_NOT_FOUND when no such flow is
// alive. Threads and callbacks: see tg_engine_flow_block.
tg_status tg_engine_flow_bypass(struct tg_engine *engine,
                                uint64_t id);

// Tells an engine a secret of a TLS session, as a client, a server or a proxy has it. `client_random` are the 32 random bytes
// of its ClientHello, `label` is one of key logs (RFC 9850: CLIENT_RANDOM, CLIENT_TRAFFIC_SECRET_0 and so on), `secret` has
// `len` bytes: 32 or 48. What the session protects is then read like clear traffic; packets that came before are read too, as
// long as the session waits for its keys (`tls-keys.wait` of the settings). The engine keeps a copy and wipes it when it goes.
// TG_ERR_STATE: the engine has no room for such sessions; `tls-keys.enabled` must be `yes` in its settings. One thread at a
// time for an engine.
tg_status tg_engine_tls_secret(struct tg_engine *engine,
                               const uint8_t *client_random,
                               const char *label,
                               const uint8_t *secret,
                               size_t len);

// Writes the shares of the memory that an engine of `config` (NULL: all zero) takes, to `parts`, and how many there are to
// `count`: their sum is what tg_engine_new allocates, rules and their datasets apart. With less `room` than there are
// TG_ERR_ROOM, and only `count` is written. TG_ERR_INVALID says the least memory. Thread-safe; the texts are there for
// ever. No memory is taken.
tg_status tg_engine_memory(const struct tg_engine_config *config,
                           struct tg_memory_part *parts,
                           size_t room,
                           size_t *count);

// Tells what the engine has counted. One thread at a time for an engine.
tg_status tg_engine_stats(struct tg_engine *engine, struct tg_stats *out);

// Gives every counter there is, under its name in EVE's `stats`, to `callback`. Takes memory. One thread at a time
// for an engine.
tg_status tg_engine_counters(struct tg_engine *engine,
                             tg_counter_fn callback,
                             void *user);

// Opens a stream and tells its number. It is a flow of its own, beside any that packets between its ends have. Its
// bytes are inspected as reassembled ones of packets are, and lead to the same events; rules on packets (flags, sizes,
// header fields) are not asked. TG_ERR_STATE when a stream between these ends is open, TG_ERR_MEMORY when as many are
// as the engine's memory is for, an eighth of its flows. One thread at a time for an engine.
tg_status tg_stream_open(struct tg_engine *engine,
                         const struct tg_stream_config *config,
                         uint64_t *stream);

// Gives the next bytes of a direction, TG_TO_SERVER or TG_TO_CLIENT, as many as there are. `verdict` says what is to
// become of them, and so of the connection; it may be NULL. One thread at a time for an engine.
tg_status tg_stream_feed(struct tg_engine *engine,
                         uint64_t stream,
                         uint8_t direction,
                         const uint8_t *data,
                         size_t len,
                         uint64_t ts_ns,
                         tg_verdict *verdict);

// Ends a stream: what is left of it is inspected, and its flow is reported. One thread at a time for an engine.
tg_status tg_stream_close(struct tg_engine *engine,
                          uint64_t stream,
                          uint64_t ts_ns);

// What a status means, in a few words. Thread-safe; the text is there for ever, also for unknown numbers.
const char *tg_strerror(int32_t status);

// What exactly went wrong in the last call of this thread that failed; empty when none has. Thread-safe; the text
// stays until the next failure in this thread.
const char *tg_last_error(void);

// Tells what every event has. By the thread that is in the event's callback.
tg_status tg_event_describe(const struct tg_event *event,
                            struct tg_event_info *out);

// Tells of an alert. TG_ERR_TYPE when it is none. By the thread that is in the event's callback.
tg_status tg_event_alert(const struct tg_event *event, struct tg_alert *out);

// Tells in which buffer an alert's rule matched, and where: the first place of the rule's fast pattern (its most telling
// literal, of long ones a part). Other conditions of the rule may have been met elsewhere. It is searched for when it is asked for. TG_ERR_NOT_FOUND
// when the rule has no literal, or looks for it in something made of a buffer (by transforms) or in a header. By the
// thread that is in the event's callback; valid until the next call of this function. It takes no memory.
tg_status tg_event_alert_match(const struct tg_event *event,
                               struct tg_alert_match *out);

// Gives pair number `i` of the `metadata` of an alert's rule. TG_ERR_NOT_FOUND beyond the last. By the thread that is
// in the event's callback.
tg_status tg_event_alert_metadata(const struct tg_event *event,
                                  uint32_t i,
                                  struct tg_bytes *key,
                                  struct tg_bytes *value);

// Gives address number `i` of the `reference`s of an alert's rule; it stays until the next one is asked for.
// TG_ERR_NOT_FOUND beyond the last. By the thread that is in the event's callback.
tg_status tg_event_alert_reference(const struct tg_event *event, uint32_t i, struct tg_bytes *address);

// Tells of the event's flow; of an event of type flow, the one that ended. TG_ERR_NOT_FOUND when it has none. By the
// thread that is in the event's callback.
tg_status tg_event_flow(const struct tg_event *event,
                        struct tg_flow *out);

// Tells of an anomaly. TG_ERR_TYPE when it is none. By the thread that is in the event's callback.
tg_status tg_event_anomaly(const struct tg_event *event, struct tg_anomaly *out);

// Tells of a file. TG_ERR_TYPE when the event is of another type. By the thread that is in the event's callback.
tg_status tg_event_file(const struct tg_event *event,
                        struct tg_file *out);

// Tells of a dropped packet. TG_ERR_TYPE when the event is of another type. By the thread that is in the event's
// callback.
tg_status tg_event_drop(const struct tg_event *event,
                        struct tg_drop *out);

// Gives a field of the record of the event's transaction by its path: what EVE has under the protocol's name.
// Records, and alerts, files and anomalies in transactions have one. TG_ERR_NOT_FOUND when there is none. By the
// thread that is in the event's callback.
tg_status tg_event_field(const struct tg_event *event,
                         const char *path,
                         struct tg_field *out);

// Gives all fields of the record of the event's transaction, in EVE's order, one after the other to `callback`. By
// the thread that is in the event's callback.
tg_status tg_event_fields(const struct tg_event *event,
                          tg_field_fn callback,
                          void *user);

// Tells of the HTTP transaction of a record, alert, file or anomaly. TG_ERR_TYPE when it has none. By the thread that
// is in the event's callback.
tg_status tg_event_http(const struct tg_event *event,
                        struct tg_http *out);

// Tells of the DNS message of a record, alert or anomaly. TG_ERR_TYPE when it has none. By the thread that is in the
// event's callback.
tg_status tg_event_dns(const struct tg_event *event,
                       struct tg_dns *out);

// Tells of the TLS handshake of a record, alert or anomaly. TG_ERR_TYPE when it has none. By the thread that is in
// the event's callback.
tg_status tg_event_tls(const struct tg_event *event,
                       struct tg_tls *out);

// Gives the event as a line of EVE JSON without a line feed, as the first `eve-log` of the settings has it.
// TG_ERR_NOT_FOUND when that wants no such event, TG_ERR_UNSUPPORTED when there is no `eve-log`. By the thread that
// is in the event's callback.
tg_status tg_event_json(const struct tg_event *event,
                        struct tg_bytes *line);

// Sends messages up to `level` (a tg_log_level; 0 for none) to `callback`; NULL silences the library, which is how
// it starts. Thread-safe; when it returns, the callback before is not called any more. From inside the callback:
// TG_ERR_REENTRANT.
//
// `user` goes to the callback as it is.
tg_status tg_log_set(tg_log_fn callback,
                     void *user,
                     uint32_t level);

// Compiles rules of `count` sources. A wrong rule is no error: it is left out and told to `on_error` (NULL: to the
// log), after all sources were read. `settings` gives variables and lists; NULL: the built-in ones. Thread-safe.
//
// TG_ERR_IO when a file cannot be read.
tg_status tg_ruleset_compile(const struct tg_source *sources,
                             size_t count,
                             const struct tg_settings *settings,
                             tg_rule_error_fn on_error,
                             void *user,
                             struct tg_ruleset **out);

// Tells what a rule set is made of. Thread-safe.
tg_status tg_ruleset_describe(const struct tg_ruleset *rules, struct tg_ruleset_info *out);

// Frees a rule set; NULL is nothing to do. Engines that run with it go on. TG_ERR_HANDLE when it was freed before.
// Thread-safe: TG_ERR_BUSY while another thread is inside.
tg_status tg_ruleset_free(struct tg_ruleset *rules);

// Makes a scanner of those rules that look at payload: `alert ip any any -> any any (content:"..."; ...)`, also
// `tcp`. `normalise` is a sum of TG_TEXT_ values: rules are then asked about the text as it is and as it reads, and
// match when they match either. Thread-safe. The rule set may be freed.
tg_status tg_scanner_new(const struct tg_ruleset *rules,
                         uint32_t normalise,
                         struct tg_scanner **out);

// Makes a scanner of phrases instead of rules. `normalise` is as for tg_scanner_new, of phrases and text alike: the
// text is searched as it reads. Every place is told, with the phrase's `id` as `sid` and the phrase as `message`; the
// members about rules are empty. TG_ERR_SYNTAX when nothing is left of a phrase. Thread-safe. The phrases are copied.
tg_status tg_scanner_new_phrases(const struct tg_phrase *phrases,
                                 size_t count,
                                 uint32_t normalise,
                                 struct tg_scanner **out);

// Searches one text and gives every rule that matches to `callback`, once, or every place of a phrase. It takes no memory. One thread at a time
// for a scanner.
tg_status tg_scanner_scan(struct tg_scanner *scanner,
                          const char *text,
                          size_t len,
                          tg_match_fn callback,
                          void *user);

// Makes a text that will come in pieces. One thread at a time for a scanner.
tg_status tg_scan_stream_new(struct tg_scanner *scanner, struct tg_scan_stream **out);

// Goes on with a text: gives every rule that matches now and did not before to `callback`. What lies within 4096
// bytes is seen together, whatever the pieces. Of phrases every place is told once; one that must be a whole word waits
// for the character behind it, or for tg_scan_stream_end. TG_ERR_STATE when the scanner has other rules than the stream. One
// thread at a time for either.
tg_status tg_scan_stream_feed(struct tg_scanner *scanner,
                              struct tg_scan_stream *stream,
                              const char *piece,
                              size_t len,
                              tg_match_fn callback,
                              void *user);

// Begins another text with the same object. One thread at a time for a stream.
tg_status tg_scan_stream_reset(struct tg_scan_stream *stream);

// Ends a text: gives phrases that are whole words because nothing comes behind them to `callback`, and begins another
// text. One thread at a time for a stream.
tg_status tg_scan_stream_end(struct tg_scan_stream *stream,
                             tg_match_fn callback,
                             void *user);

// Frees a stream; NULL is nothing to do. TG_ERR_HANDLE when it was freed before. Thread-safe: TG_ERR_BUSY while
// another thread is inside.
tg_status tg_scan_stream_free(struct tg_scan_stream *stream);

// Frees a scanner; NULL is nothing to do. Its streams live on. TG_ERR_HANDLE when it was freed before. Thread-safe:
// TG_ERR_BUSY while another thread is inside.
tg_status tg_scanner_free(struct tg_scanner *scanner);

// Makes settings that are the built-in ones. Thread-safe.
tg_status tg_settings_new(struct tg_settings **out);

// Takes a configuration file in Suricata's YAML instead of the built-in one; values set before stay set. One thread
// at a time for an object.
tg_status tg_settings_load(struct tg_settings *settings,
                           const char *path);

// Takes configuration text in Suricata's YAML instead of the built-in one; values set before stay set. One thread at
// a time for an object.
tg_status tg_settings_parse(struct tg_settings *settings,
                            const char *text,
                            size_t len);

// Sets one value by its path, over what the configuration says: ("stream.midstream", "true"), or a variable of rules:
// ("vars.address-groups.HOME_NET", "[10.0.0.0/8]"). A value that is not valid is TG_ERR_SYNTAX, and tg_last_error names
// the setting and what is valid; nothing is changed then. A setting that does not exist or has no effect is told to the
// log, here and in tg_settings_load and tg_settings_parse; tg_settings_strict makes it an error. One thread at a time
// for an object.
tg_status tg_settings_set(struct tg_settings *settings,
                          const char *name,
                          const char *value);

// With `on` not 0, settings that do not exist or have no effect are TG_ERR_INVALID, of what is there already as of what
// comes, and nothing is changed then. One thread at a time for an object.
tg_status tg_settings_strict(struct tg_settings *settings,
                             int on);

// Names the folder where files are looked for that rules name by relative paths (datasets). One thread at a time for
// an object.
tg_status tg_settings_data_dir(struct tg_settings *settings,
                               const char *path);

// Frees settings; NULL is nothing to do. TG_ERR_HANDLE when they were freed before. Thread-safe: TG_ERR_BUSY while
// another thread is inside.
tg_status tg_settings_free(struct tg_settings *settings);

// The version of the library that runs, such as "0.1.0". Thread-safe; the text is there for ever.
const char *tg_version(void);

// The version of the library that runs as one number: major << 16 | minor << 8 | patch. A program may compare it with
// TG_VERSION_NUMBER. Thread-safe.
uint32_t tg_version_number(void);

// TG_ABI_VERSION of the library that runs. A program may compare it with that of its header. Thread-safe.
uint32_t tg_abi_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TIDEGATE_H */
