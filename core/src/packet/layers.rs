//! Which layers below the network header (and tunnel headers) a packet has, as bits of
//! [`Packet::layers`](super::Packet::layers); Suricata counts each as `decoder.NAME`.

/// Declares the bits once: a constant and the counter's name each, numbered in the order written.
macro_rules! layers {
    ($($id:ident $name:literal)*) => {
        #[repr(u8)]
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Bit { $($id,)* COUNT_ }
        $(#[doc = concat!("`decoder.", $name, "`")] pub const $id: u32 = 1 << Bit::$id as u8;)*
        /// How many layers there are.
        pub const COUNT: usize = Bit::COUNT_ as usize;
        /// Names by bit number.
        pub static NAMES: [&str; COUNT] = [$($name,)*];
    };
}

layers! {
    ETHERNET "ethernet"
    CHDLC "chdlc"
    RAW "raw"
    NULL "null"
    SLL "sll"
    SLL2 "sll2"
    PPP "ppp"
    PPPOE "pppoe"
    VLAN "vlan"
    QINQ "vlan_qinq"
    QINQINQ "vlan_qinqinq"
    VNTAG "vntag"
    ETAG "etag"
    IEEE8021AH "ieee8021ah"
    MPLS "mpls"
    NSH "nsh"
    ERSPAN "erspan"
    TEREDO "teredo"
    VXLAN "vxlan"
    GENEVE "geneve"
    GTP "gtp"
    IPV4_IN_IPV4 "ipv4_in_ipv4"
    IPV6_IN_IPV4 "ipv6_in_ipv4"
    IPV4_IN_IPV6 "ipv4_in_ipv6"
    IPV6_IN_IPV6 "ipv6_in_ipv6"
    UNKNOWN_ETHERTYPE "unknown_ethertype"
    IEEE80211 "ieee80211"
    IEEE80211_PROTECTED "ieee80211_protected"
    RADIOTAP "radiotap"
    PPI "ppi"
    L2TP "l2tp"
    TZSP "tzsp"
}
