//! The list of protocols. A new protocol adds its file and one line here.

use super::*;

/// Every protocol, in the order in which detection asks them. The position is the protocol's [`AppProto`] number.
pub static PROTOCOLS: &[&ProtoDef] = &[
    &http::DEF,
    &dns::DNS,
    &dns::MDNS,
    &tls::TLS,
    &http2::HTTP2,
    &ftp::FTP,
    &ftp_data::FTP_DATA,
    &smtp::SMTP,
    &ssh::SSH,
    &imap::IMAP,
    &pop3::POP3,
    &smb::SMB,
    &dcerpc::DCERPC,
    &nfs::NFS,
    &krb5::KRB5,
    &messages::DHCP,
    &messages::NTP,
    &messages::SNMP,
    &messages::SIP,
    &rdp::RDP,
    &rfb::RFB,
    &mqtt::MQTT,
    &ike::IKE,
    &messages::TFTP,
    &telnet::TELNET,
    &ldap::LDAP,
    &pgsql::PGSQL,
    &bittorrent_dht::BITTORRENT_DHT,
    &quic::QUIC,
    &websocket::WEBSOCKET,
    &plain::DOH2,
    &modbus::MODBUS,
    &dnp3::DNP3,
    &enip::ENIP,
    &redis::REDIS,
    &nvme::NVME,
    &roce::ROCE,
    &nccl::NCCL,
    &crate::ai::AI,
    &grpc::GRPC,
    #[cfg(test)]
    &knock::KNOCK,
];

// Sets of protocols are 64-bit words.
const _: () = assert!(PROTOCOLS.len() <= 64);

/// A protocol: its position in [`PROTOCOLS`] plus [`AppProto::FIRST`], or one of the special values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct AppProto(pub u8);

impl AppProto {
    /// Not decided (yet).
    pub const UNKNOWN: AppProto = AppProto(0);
    /// Detection gave up.
    pub const FAILED: AppProto = AppProto(1);
    /// Number of the first entry of [`PROTOCOLS`].
    pub const FIRST: u8 = 2;

    /// The protocol of that name or alias, as rules write it.
    pub fn by_name(name: &str) -> Option<AppProto> {
        PROTOCOLS
            .iter()
            .position(|d| d.name == name || d.aliases.contains(&name))
            .map(|i| AppProto(i as u8 + Self::FIRST))
    }

    pub const fn is_known(self) -> bool {
        self.0 >= Self::FIRST
    }

    /// Position in [`PROTOCOLS`].
    pub const fn index(self) -> Option<usize> {
        if self.0 >= Self::FIRST { Some((self.0 - Self::FIRST) as usize) } else { None }
    }

    /// Its description; a description with nothing in it for the special values.
    pub fn def(self) -> &'static ProtoDef {
        self.index().and_then(|i| PROTOCOLS.get(i).copied()).unwrap_or(&NONE)
    }

    /// EVE `app_proto`.
    pub fn name(self) -> &'static str {
        match self {
            AppProto::UNKNOWN => "unknown",
            AppProto::FAILED => "failed",
            p => p.def().name,
        }
    }
}

static NONE: ProtoDef = ProtoDef::NONE;
