//! What is known of commands: where their keys stand, how many replies they get, what of them is a secret. By the
//! command references of Redis and Valkey; a command that is not known has its key first and one reply.

/// Where keys stand among a command's arguments (the first has number 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    None,
    /// The argument of that number.
    At(u8),
    /// The first two.
    Two,
    All,
    /// All but the last.
    ButLast,
    /// Every second, from the first on.
    Pairs,
    /// As many as the argument of that number says, behind it.
    Counted(u8),
    /// The first half of what follows the word STREAMS.
    Streams,
}

const KEYS: &[(Keys, &str)] = &[
    (
        Keys::None,
        "ACL ASKING AUTH BGREWRITEAOF BGSAVE CLIENT CLUSTER COMMAND CONFIG DBSIZE DEBUG DISCARD ECHO EXEC FAILOVER FLUSHALL \
         FLUSHDB FUNCTION HELLO INFO KEYS LASTSAVE LATENCY LOLWUT MODULE MONITOR MULTI PING PSUBSCRIBE PSYNC PUBLISH PUBSUB \
         PUNSUBSCRIBE QUIT RANDOMKEY READONLY READWRITE REPLCONF REPLICAOF RESET ROLE SAVE SCAN SCRIPT SELECT SENTINEL \
         SHUTDOWN SLAVEOF SLOWLOG SPUBLISH SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE SWAPDB SYNC TIME UNSUBSCRIBE UNWATCH WAIT \
         WAITAOF",
    ),
    (
        Keys::All,
        "DEL EXISTS MGET PFCOUNT PFMERGE SDIFF SDIFFSTORE SINTER SINTERSTORE SUNION SUNIONSTORE TOUCH UNLINK WATCH",
    ),
    (Keys::Two, "BLMOVE BRPOPLPUSH COPY LCS LMOVE RENAME RENAMENX RPOPLPUSH SMOVE ZRANGESTORE"),
    (Keys::ButLast, "BLPOP BRPOP BZPOPMAX BZPOPMIN"),
    (Keys::Pairs, "MSET MSETNX"),
    (Keys::At(1), "BITOP MEMORY OBJECT XGROUP XINFO"),
    (Keys::At(2), "MIGRATE"),
    (Keys::Counted(0), "LMPOP SINTERCARD ZDIFF ZINTER ZINTERCARD ZMPOP ZUNION"),
    (
        Keys::Counted(1),
        "BLMPOP BZMPOP EVAL EVALSHA EVALSHA_RO EVAL_RO FCALL FCALL_RO ZDIFFSTORE ZINTERSTORE ZUNIONSTORE",
    ),
    (Keys::Streams, "XREAD XREADGROUP"),
];

/// Commands whose first argument names what they do.
const GROUPS: &str = "ACL CLIENT CLUSTER COMMAND CONFIG DEBUG FUNCTION LATENCY MEMORY MODULE OBJECT PUBSUB SCRIPT SENTINEL \
                      SLOWLOG XGROUP XINFO";

/// Commands that a client may send inline, as people do by hand: what marks the protocol on its own port.
const BY_HAND: &str = "ACL AUTH BGSAVE CLIENT CLUSTER COMMAND CONFIG DBSIZE DEBUG DEL ECHO EVAL EXISTS FLUSHALL FLUSHDB GET \
                       HELLO INCR INFO KEYS LPUSH MODULE MONITOR MULTI PING PSYNC PUBLISH QUIT REPLCONF REPLICAOF ROLE RPUSH \
                       SAVE SCAN SCRIPT SELECT SET SHUTDOWN SLAVEOF SUBSCRIBE SYNC TIME TTL TYPE";

fn among(list: &str, word: &[u8]) -> bool {
    list.split_ascii_whitespace().any(|w| w.as_bytes().eq_ignore_ascii_case(word))
}

/// Where the keys of `command` (in capitals) are.
pub fn keys(command: &[u8]) -> Keys {
    KEYS.iter().find(|(_, list)| among(list, command)).map_or(Keys::At(0), |(k, _)| *k)
}

/// Whether the first argument of `command` is a subcommand.
pub fn has_subcommand(command: &[u8]) -> bool {
    among(GROUPS, command)
}

pub fn by_hand(word: &[u8]) -> bool {
    among(BY_HAND, word)
}

/// `SUBSCRIBE` and its like: one confirmation for each channel.
pub fn subscribes(command: &[u8]) -> bool {
    among("SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE", command)
}

/// First words of what a server sends to subscribers.
pub fn is_message(word: &[u8]) -> bool {
    among("MESSAGE PMESSAGE SMESSAGE", word)
}

/// Whether a word of `command` is a credential; `before` are the two words in front of it, the nearer first.
pub fn is_secret(command: &[u8], word: &[u8], before: [&[u8]; 2]) -> bool {
    let after = |w: &str, n: usize| before.iter().take(n).any(|b| b.eq_ignore_ascii_case(w.as_bytes()));
    let holds =
        |text: &[u8], part: &str| text.windows(part.len()).any(|w| w.eq_ignore_ascii_case(part.as_bytes()));
    match command {
        b"AUTH" => true,
        b"HELLO" => after("AUTH", 2),
        b"MIGRATE" => after("AUTH", 1) || after("AUTH2", 2),
        b"CONFIG" | b"SENTINEL" | b"REPLCONF" => holds(before[0], "pass") || holds(before[0], "auth"),
        b"ACL" => matches!(word, [b'>' | b'<' | b'#' | b'!', _, ..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known() {
        assert!(is_secret(b"AUTH", b"x", [b"AUTH", b""]));
        assert!(is_secret(b"HELLO", b"pw", [b"default", b"auth"]));
        assert!(!is_secret(b"HELLO", b"3", [b"HELLO", b""]));
        assert!(is_secret(b"CONFIG", b"pw", [b"requirepass", b"SET"]));
        assert!(!is_secret(b"CONFIG", b"/tmp", [b"dir", b"SET"]));
        assert!(is_secret(b"ACL", b">pw", [b"on", b"bob"]) && !is_secret(b"ACL", b"+@all", [b"on", b"bob"]));
    }

    #[test]
    fn no_command_is_in_two_lists() {
        for (i, (_, a)) in KEYS.iter().enumerate() {
            for w in a.split_ascii_whitespace() {
                assert!(KEYS[i + 1..].iter().all(|(_, b)| !among(b, w.as_bytes())), "{w}");
            }
        }
    }
}
