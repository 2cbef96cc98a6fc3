//! Ports: configured and started whole, with one owner for each of their queues.

use std::ffi::CStr;
use std::sync::Arc;

use tidegate_dpdk_sys as sys;

use super::{Burst, DpdkError, Eal, Pool};

/// What a port is and can.
#[derive(Clone, Debug)]
pub struct PortInfo {
    pub id: u16,
    /// Name of the device: a PCI address, `net_pcap0`, …
    pub name: String,
    pub driver: String,
    /// Arguments that the device was given.
    pub args: String,
    pub mac: [u8; 6],
    pub max_rx_queues: u16,
    pub max_tx_queues: u16,
    pub mtu: u16,
    /// Whether the port spreads packets over queues by itself.
    pub rss: bool,
    pub timestamps: bool,
    pub promiscuous: bool,
    pub link_up: bool,
    pub link_mbps: u32,
    pub socket: i32,
    /// Ports of one embedded switch share this.
    pub switch_domain: u32,
}

/// How a port is set up.
#[derive(Clone, Debug)]
pub struct PortConfig {
    pub rx_queues: u16,
    pub tx_queues: u16,
    pub rx_desc: u16,
    pub tx_desc: u16,
    /// 0: the port's own.
    pub mtu: u16,
    pub promiscuous: bool,
    pub rss: bool,
    pub timestamps: bool,
    /// Have it check checksums.
    pub checksums: bool,
    /// Have it hash packets even with one queue.
    pub hash: bool,
}

impl Default for PortConfig {
    fn default() -> Self {
        PortConfig {
            rx_queues: 1,
            tx_queues: 1,
            rx_desc: 1024,
            tx_desc: 1024,
            mtu: 0,
            promiscuous: true,
            rss: true,
            timestamps: true,
            checksums: false,
            hash: false,
        }
    }
}

/// Counters of a port since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_missed: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_nombuf: u64,
}

/// A started port: stopped and closed when the last handle, queues included, is dropped.
#[derive(Clone, Debug)]
pub struct Port {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: u16,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: every queue held a handle, so nobody receives or sends on it any more.
        unsafe { sys::tg_port_stop(self.id) };
    }
}

/// A port and its queues.
#[derive(Debug)]
pub struct Queues {
    pub port: Port,
    pub rx: Vec<RxQueue>,
    pub tx: Vec<TxQueue>,
    /// The port spreads packets by a symmetric hash.
    pub rss: bool,
    pub timestamps: bool,
    /// It checks checksums of IPv4, TCP or UDP.
    pub checksums: bool,
    /// Packets come with a hash of their addresses, fragments too, which both directions share.
    pub hash: bool,
    pub mtu: u16,
}

/// One receive queue. Receiving takes `&mut self` and there is no clone: one lcore at a time, as DPDK demands.
#[derive(Debug)]
pub struct RxQueue {
    port: Port,
    queue: u16,
}

/// One transmit queue, with one user at a time.
#[derive(Debug)]
pub struct TxQueue {
    port: Port,
    queue: u16,
}

fn text(bytes: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = bytes.iter().map(|&b| b as u8).collect();
    CStr::from_bytes_until_nul(&bytes).map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

fn info(id: u16) -> Result<PortInfo, DpdkError> {
    let mut i = sys::tg_port_info::default();
    // SAFETY: a place for the answer; numbers of ports are checked by DPDK.
    let r = unsafe { sys::tg_port_info(id, &mut i) };
    if r != 0 {
        return Err(DpdkError::new(format!("port {id}"), r));
    }
    Ok(PortInfo {
        id,
        name: text(&i.name),
        driver: text(&i.driver),
        args: text(&i.device_args),
        mac: i.mac,
        max_rx_queues: i.max_rx_queues,
        max_tx_queues: i.max_tx_queues,
        mtu: i.mtu,
        rss: i.rss != 0,
        timestamps: i.timestamps != 0,
        promiscuous: i.promiscuous != 0,
        link_up: i.link_up != 0,
        link_mbps: i.link_mbps,
        socket: i.socket,
        switch_domain: i.switch_domain,
    })
}

/// All ports that nobody owns.
pub fn ports(_eal: Eal) -> Vec<PortInfo> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        // SAFETY: walks a table; `_eal` proves that the EAL runs.
        let id = unsafe { sys::tg_port_next(at) };
        if id == u16::MAX {
            return out;
        }
        out.extend(info(id));
        at = id + 1;
    }
}

impl Port {
    /// Configures and starts port `id`; RX queue `i` takes its mbufs from `pools[i]` (the last one serves the rest).
    pub fn start(_eal: Eal, id: u16, config: &PortConfig, pools: &[Pool]) -> Result<Queues, DpdkError> {
        let Some(last) = pools.last() else { return Err(DpdkError::new(format!("port {id}: no pool"), 22)) };
        let mut raw: Vec<*mut sys::rte_mempool> =
            (0..usize::from(config.rx_queues)).map(|q| pools.get(q).unwrap_or(last).raw.as_ptr()).collect();
        let mut c = sys::tg_port_conf {
            rx_queues: config.rx_queues,
            tx_queues: config.tx_queues,
            rx_desc: config.rx_desc,
            tx_desc: config.tx_desc,
            mtu: config.mtu,
            promiscuous: config.promiscuous.into(),
            want_rss: config.rss.into(),
            want_timestamps: config.timestamps.into(),
            want_checksums: config.checksums.into(),
            want_hash: config.hash.into(),
            pools: raw.as_mut_ptr(),
            ..Default::default()
        };
        // SAFETY: `pools` has one pool for each RX queue; DPDK refuses numbers of ports it does not know and ports that
        // run already.
        let r = unsafe { sys::tg_port_start(id, &mut c) };
        if r != 0 {
            // SAFETY: `failed` is a string constant of the shim or NULL.
            let step = unsafe { c.failed.as_ref().map(|s| CStr::from_ptr(s)) };
            let step = step.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            return Err(DpdkError::new(format!("port {id}: {step}"), r));
        }
        let port = Port { inner: Arc::new(Inner { id }) };
        Ok(Queues {
            rx: (0..config.rx_queues).map(|queue| RxQueue { port: port.clone(), queue }).collect(),
            tx: (0..config.tx_queues).map(|queue| TxQueue { port: port.clone(), queue }).collect(),
            rss: c.rss_on != 0,
            timestamps: c.timestamps_on != 0,
            checksums: c.checksums_on != 0,
            hash: c.hash_on != 0,
            mtu: c.set_mtu,
            port,
        })
    }

    pub fn id(&self) -> u16 {
        self.inner.id
    }

    pub fn info(&self) -> Result<PortInfo, DpdkError> {
        info(self.id())
    }

    pub fn stats(&self) -> PortStats {
        let mut s = sys::tg_port_stats::default();
        // SAFETY: a place for the answer; the port is started.
        unsafe { sys::tg_port_stats(self.id(), &mut s) };
        PortStats {
            rx_packets: s.rx_packets,
            tx_packets: s.tx_packets,
            rx_bytes: s.rx_bytes,
            tx_bytes: s.tx_bytes,
            rx_missed: s.rx_missed,
            rx_errors: s.rx_errors,
            tx_errors: s.tx_errors,
            rx_nombuf: s.rx_nombuf,
        }
    }
}

impl RxQueue {
    /// Receives behind what `into` holds; how many came.
    #[inline]
    pub fn receive(&mut self, into: &mut Burst) -> usize {
        let (port, queue) = (self.port.id(), self.queue);
        // SAFETY: the port is started while `self.port` lives, `&mut self` makes this the queue's only user, and
        // rte_eth_rx_burst hands over ownership of what it says it wrote.
        unsafe { into.fill(|slots, room| sys::tg_rx_burst(port, queue, slots, room)) }
    }

    /// Packets that wait in the queue, where the driver can tell.
    #[inline]
    pub fn waiting(&self) -> Option<u32> {
        // SAFETY: the queue exists while the port lives.
        u32::try_from(unsafe { sys::tg_rx_waiting(self.port.id(), self.queue) }).ok()
    }

    pub fn port(&self) -> &Port {
        &self.port
    }
}

impl TxQueue {
    /// Sends from the front of `from`; what was not taken stays in it. How many were sent.
    #[inline]
    pub fn send(&mut self, from: &mut Burst) -> usize {
        let (port, queue) = (self.port.id(), self.queue);
        // SAFETY: the port is started, `&mut self` makes this the queue's only user, and rte_eth_tx_burst owns the
        // packets that it says it took.
        unsafe { from.empty(|slots, n| sys::tg_tx_burst(port, queue, slots, n)) }
    }

    pub fn port(&self) -> &Port {
        &self.port
    }
}
