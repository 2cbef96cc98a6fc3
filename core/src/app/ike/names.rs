//! Names that records and rules have for numbers of IKE (RFC 2409 appendix A, RFC 7296 3, IANA's registries).

/// An attribute of a security association of version 1: the name of its key, and those of its values.
pub type Values = fn(u32) -> Option<&'static str>;

/// Attributes by their type.
pub const ATTRIBUTES: &[(u16, &str, Values)] = &[
    (1, "alg_enc", encryption),
    (2, "alg_hash", hash),
    (3, "alg_auth", authentication),
    (4, "alg_dh", group),
    (5, "sa_group_type", |_| None),
    (11, "sa_life_type", life),
    (12, "sa_life_duration", |_| None),
    (13, "alg_prf", |_| None),
    (14, "sa_key_length", |_| None),
    (15, "sa_field_size", |_| None),
];

/// Keys of the attributes that records show, with that of the number.
pub const SHOWN: &[(&str, &str)] = &[
    ("alg_enc", "alg_enc_raw"),
    ("alg_hash", "alg_hash_raw"),
    ("alg_auth", "alg_auth_raw"),
    ("alg_dh", "alg_dh_raw"),
    ("sa_life_type", "sa_life_type_raw"),
    ("sa_life_duration", "sa_life_duration_raw"),
    ("sa_key_length", "sa_key_length_raw"),
];

fn encryption(n: u32) -> Option<&'static str> {
    Some(match n {
        1 => "EncDesCbc",
        2 => "EncIdeaCbc",
        3 => "EncBlowfishCbc",
        4 => "EncRc5R16B64Cbc",
        5 => "EncTripleDesCbc",
        6 => "EncCastCbc",
        7 => "EncAesCbc",
        8 => "EncCamelliaCbc",
        _ => return None,
    })
}

fn hash(n: u32) -> Option<&'static str> {
    Some(match n {
        1 => "HashMd5",
        2 => "HashSha",
        3 => "HashTiger",
        4 => "HashSha2_256",
        5 => "HashSha2_384",
        6 => "HashSha2_512",
        _ => return None,
    })
}

fn authentication(n: u32) -> Option<&'static str> {
    Some(match n {
        1 => "AuthPreSharedKey",
        2 => "AuthDssSignatures",
        3 => "AuthRsaSignatures",
        4 => "AuthEncryptionWithRsa",
        5 => "AuthRevisedEncryptionWithRsa",
        6 => "AuthEncryptionWithElGamal",
        7 => "AuthRevisedEncryptionWithElGamal",
        8 => "AuthEcdsaSignatures",
        9 => "AuthEcdsaSha256",
        10 => "AuthEcdsaSha384",
        11 => "AuthEcdsaSha512",
        64221 => "AuthHybridInitRsa",
        64222 => "AuthHybridRespRsa",
        65001 => "AuthXauthInitPreShared",
        65002 => "AuthXauthRespPreShared",
        65005 => "AuthXauthInitRsa",
        65006 => "AuthXauthRespRsa",
        _ => return None,
    })
}

fn group(n: u32) -> Option<&'static str> {
    Some(match n {
        1 => "GroupDefault768BitModpGroup",
        2 => "GroupAlternate1024BitModpGroup",
        3 => "GroupEc2nOnGp2p155",
        4 => "GroupEc2nOnGp2p185",
        5 => "GroupModp1536Bit",
        14 => "GroupModp2048Bit",
        15 => "GroupModp3072Bit",
        16 => "GroupModp4096Bit",
        17 => "GroupModp6144Bit",
        18 => "GroupModp8192Bit",
        19 => "GroupRandomEcp256",
        20 => "GroupRandomEcp384",
        21 => "GroupRandomEcp521",
        _ => return None,
    })
}

fn life(n: u32) -> Option<&'static str> {
    Some(match n {
        1 => "LifeTypeSeconds",
        2 => "LifeTypeKilobytes",
        _ => return None,
    })
}

/// Payloads, of either version.
pub fn payload(n: u8) -> Option<&'static str> {
    Some(match n {
        1 | 33 => "SecurityAssociation",
        2 => "Proposal",
        3 => "Transform",
        4 | 34 => "KeyExchange",
        5 => "Identification",
        6 | 37 => "Certificate",
        7 | 38 => "CertificateRequest",
        8 => "Hash",
        9 => "Signature",
        10 | 40 => "Nonce",
        11 => "Notification",
        12 | 42 => "Delete",
        13 | 43 => "VendorID",
        15 => "SaKek",
        16 => "SaTek",
        17 => "KeyDownload",
        18 => "SequenceNumber",
        19 => "ProofOfPossession",
        20 => "NatDiscovery",
        21 => "NatOriginalAddress",
        22 => "GenericAssociatedPolicy",
        35 => "IdentInitiator",
        36 => "IdentResponder",
        39 => "Authentication",
        41 => "Notify",
        44 => "TrafficSelectorInitiator",
        45 => "TrafficSelectorResponder",
        46 => "EncryptedAndAuthenticated",
        47 => "Configuration",
        48 => "ExtensibleAuthentication",
        53 => "EncryptedFragment",
        _ => return None,
    })
}

/// Exchanges, of either version.
pub fn exchange(n: u8) -> Option<&'static str> {
    Some(match n {
        0 => "None",
        1 => "Base",
        2 => "Identity Protection",
        3 => "Authentication Only",
        4 => "Aggressive",
        5 => "Informational",
        6 => "Transaction",
        32 => "Quick Mode",
        33 => "New Group Mode",
        34 => "IKE_SA_INIT",
        35 => "IKE_AUTH",
        36 => "CREATE_CHILD_SA",
        37 => "INFORMATIONAL",
        _ => return None,
    })
}

/// Notify messages of version 2 (RFC 7296 3.10.1).
pub fn notify(n: u16) -> Option<&'static str> {
    Some(match n {
        1 => "UNSUPPORTED_CRITICAL_PAYLOAD",
        4 => "INVALID_IKE_SPI",
        5 => "INVALID_MAJOR_VERSION",
        7 => "INVALID_SYNTAX",
        9 => "INVALID_MESSAGE_ID",
        11 => "INVALID_SPI",
        14 => "NO_PROPOSAL_CHOSEN",
        17 => "INVALID_KE_PAYLOAD",
        24 => "AUTHENTICATION_FAILED",
        34 => "SINGLE_PAIR_REQUIRED",
        35 => "NO_ADDITIONAL_SAS",
        36 => "INTERNAL_ADDRESS_FAILURE",
        37 => "FAILED_CP_REQUIRED",
        38 => "TS_UNACCEPTABLE",
        39 => "INVALID_SELECTORS",
        43 => "TEMPORARY_FAILURE",
        44 => "CHILD_SA_NOT_FOUND",
        16384 => "INITIAL_CONTACT",
        16385 => "SET_WINDOW_SIZE",
        16386 => "ADDITIONAL_TS_POSSIBLE",
        16387 => "IPCOMP_SUPPORTED",
        16388 => "NAT_DETECTION_SOURCE_IP",
        16389 => "NAT_DETECTION_DESTINATION_IP",
        16390 => "COOKIE",
        16391 => "USE_TRANSPORT_MODE",
        16392 => "HTTP_CERT_LOOKUP_SUPPORTED",
        16393 => "REKEY_SA",
        16394 => "ESP_TFC_PADDING_NOT_SUPPORTED",
        16395 => "NON_FIRST_FRAGMENTS_ALSO",
        16396 => "MOBIKE_SUPPORTED",
        16404 => "MULTIPLE_AUTH_SUPPORTED",
        16406 => "REDIRECT_SUPPORTED",
        16417 => "EAP_ONLY_AUTHENTICATION",
        16418 => "CHILDLESS_IKEV2_SUPPORTED",
        16430 => "IKEV2_FRAGMENTATION_SUPPORTED",
        16431 => "SIGNATURE_HASH_ALGORITHMS",
        _ => return None,
    })
}
