//! Names that records have for numbers of RDP: versions of the client and of Windows (MS-RDPBCGR 2.2.1.3.2; release
//! information of Windows), keyboards (MS-LCID), security protocols.

pub(super) const fn version(n: u32) -> Option<&'static str> {
    Some(match n {
        0x0008_0001 => "v4",
        0x0008_0004 => "v5",
        0x0008_0005 => "v10_0",
        0x0008_0006 => "v10_1",
        0x0008_0007 => "v10_2",
        0x0008_0008 => "v10_3",
        0x0008_0009 => "v10_4",
        0x0008_000a => "v10_5",
        0x0008_000b => "v10_6",
        0x0008_000c => "v10_7",
        0x0008_000d => "v10_8",
        0x0008_000e => "v10_9",
        0x0008_000f => "v10_10",
        0x0008_0010 => "v10_11",
        0x0008_0011 => "v10_12",
        _ => return None,
    })
}

pub(super) const fn build(n: u32) -> Option<&'static str> {
    Some(match n {
        528 => "Windows NT 3.1",
        807 => "Windows NT 3.5",
        1057 => "Windows NT 3.51",
        1381 => "Windows NT 4.0",
        2195 => "Windows 2000",
        2600 => "Windows XP",
        3790 => "Windows Server 2003",
        6000 => "Windows Vista",
        6001 => "Windows Vista SP1",
        6002 => "Windows Vista SP2",
        7600 => "Windows 7",
        7601 => "Windows 7 SP1",
        9200 => "Windows 8",
        9600 => "Windows 8.1",
        10240 => "Windows 10",
        10586 => "Windows 10 1511",
        14393 => "Windows 10 1607",
        15063 => "Windows 10 1703",
        16299 => "Windows 10 1709",
        17134 => "Windows 10 1803",
        17763 => "Windows 10 1809",
        18362 => "Windows 10 1903",
        18363 => "Windows 10 1909",
        19041 => "Windows 10 2004",
        19042 => "Windows 10 20H2",
        19043 => "Windows 10 21H1",
        19044 => "Windows 10 21H2",
        19045 => "Windows 10 22H2",
        20348 => "Windows Server 2022",
        22000 => "Windows 11 21H2",
        22621 => "Windows 11 22H2",
        22631 => "Windows 11 23H2",
        26100 => "Windows 11 24H2",
        _ => return None,
    })
}

pub(super) const fn keyboard(n: u32) -> Option<&'static str> {
    Some(match n {
        1 => "xt",
        2 => "ico",
        3 => "at",
        4 => "enhanced",
        5 => "1050",
        6 => "9140",
        7 => "jp",
        _ => return None,
    })
}

/// Languages of keyboards.
pub(super) const fn layout(n: u32) -> Option<&'static str> {
    Some(match n {
        0x401 => "ar-SA",
        0x402 => "bg-BG",
        0x403 => "ca-ES",
        0x404 => "zh-TW",
        0x405 => "cs-CZ",
        0x406 => "da-DK",
        0x407 => "de-DE",
        0x408 => "el-GR",
        0x409 => "en-US",
        0x40a => "es-ES_tradnl",
        0x40b => "fi-FI",
        0x40c => "fr-FR",
        0x40d => "he-IL",
        0x40e => "hu-HU",
        0x40f => "is-IS",
        0x410 => "it-IT",
        0x411 => "ja-JP",
        0x412 => "ko-KR",
        0x413 => "nl-NL",
        0x414 => "nb-NO",
        0x415 => "pl-PL",
        0x416 => "pt-BR",
        0x418 => "ro-RO",
        0x419 => "ru-RU",
        0x41a => "hr-HR",
        0x41b => "sk-SK",
        0x41d => "sv-SE",
        0x41e => "th-TH",
        0x41f => "tr-TR",
        0x421 => "id-ID",
        0x422 => "uk-UA",
        0x424 => "sl-SI",
        0x425 => "et-EE",
        0x426 => "lv-LV",
        0x427 => "lt-LT",
        0x429 => "fa-IR",
        0x42a => "vi-VN",
        0x439 => "hi-IN",
        0x804 => "zh-CN",
        0x807 => "de-CH",
        0x809 => "en-GB",
        0x80a => "es-MX",
        0x80c => "fr-BE",
        0x813 => "nl-BE",
        0x816 => "pt-PT",
        0xc07 => "de-AT",
        0xc09 => "en-AU",
        0xc0a => "es-ES",
        0xc0c => "fr-CA",
        0x1009 => "en-CA",
        0x100c => "fr-CH",
        0x1409 => "en-NZ",
        0x1809 => "en-IE",
        0x4009 => "en-IN",
        _ => return None,
    })
}

/// Early capabilities of a client, a bit each.
pub(super) const CAPABILITIES: &[(u16, &str)] = &[
    (0x001, "support_errinfo_pdf"),
    (0x002, "want_32bpp_session"),
    (0x004, "support_statusinfo_pdu"),
    (0x008, "strong_asymmetric_keys"),
    (0x020, "valid_connection_type"),
    (0x040, "support_monitor_layout_pdu"),
    (0x080, "support_netchar_autodetect"),
    (0x100, "support_dynvc_gfx_protocol"),
    (0x200, "support_dynamic_time_zone"),
    (0x400, "support_heartbeat_pdu"),
];

/// Flags of a server's answer, a bit each (2.2.1.2.1).
pub(super) const SERVER: &[(u8, &str)] = &[
    (1, "extended_client_data"),
    (2, "dynvc_gfx"),
    (8, "restricted_admin"),
    (16, "redirected_authentication"),
];

/// The security protocol of a server's answer.
pub(super) const fn protocol(n: u32) -> Option<&'static str> {
    Some(match n {
        0 => "rdp",
        1 => "ssl",
        2 => "hybrid",
        4 => "rds_tls",
        8 => "hybrid_ex",
        _ => return None,
    })
}
