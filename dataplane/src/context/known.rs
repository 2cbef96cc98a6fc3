//! Processes and pods by their names, to complete what a connection's event leaves out.
//!
//! In: events about processes, lists of pods. Out: the rest of a [`Who`]. Owns a table of processes of fixed size (their texts
//! lie with all others), and the pods of the operator's lists in memory of a fixed size: what finds no room is counted. A pod is
//! of the list that named it last; a list that is read again replaces what it said before.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::source::{Pod, Who};
use super::text::Texts;
use super::{keyed, lock};

/// Processes that are remembered; a newer one takes the place of an older one.
const PROCESSES: usize = 65_536;
/// Letters of a container's number that all sources give.
const SHORT: usize = 12;
/// Bytes that the system's allocator adds to a piece of memory, at most.
const PIECE: usize = 16;

/// Namespace and name.
type Name = (String, String);

/// A pod of a list.
struct Entry {
    pod: Pod,
    /// What events say of its addresses; empty without any.
    text: String,
    /// The list that it is of.
    list: u32,
    bytes: u64,
}

/// Pods by what names them.
#[derive(Default)]
struct Pods {
    by_name: HashMap<Arc<Name>, Entry>,
    by_address: HashMap<IpAddr, Arc<Name>>,
    by_container: HashMap<String, Arc<Name>>,
    /// What all of it takes, and may take.
    bytes: u64,
    room: u64,
}

/// Bytes of a pod with its places in the maps, which are at worst half empty.
fn bytes(pod: &Pod, text: &str) -> u64 {
    let texts = |all: &[&String]| all.iter().map(|t| t.len() + PIECE).sum::<usize>();
    let names = 2 * texts(&[&pod.namespace, &pod.name]) + size_of::<Name>() + PIECE;
    let container = size_of::<super::source::Container>() + SHORT + PIECE + 2 * (size_of::<String>() + 9);
    let containers: usize =
        pod.containers.iter().map(|c| container + texts(&[&c.id, &c.name, &c.image])).sum();
    let addresses = pod.addresses.len() * (3 * size_of::<IpAddr>() + 2 * 9);
    let entry = 2 * (size_of::<Entry>() + 9) + 3 * PIECE + text.len();
    (names + texts(&[&pod.account, &pod.node]) + containers + addresses + entry) as u64
}

impl Pods {
    /// Takes a pod in place of what was known of it. False: there is no room.
    fn put(&mut self, pod: Pod, list: u32) -> bool {
        let name = (pod.namespace.clone(), pod.name.clone());
        self.remove(&name);
        let text = match pod.addresses.is_empty() {
            true => String::new(),
            false => Who { pod: Some(pod.clone()), ..Who::default() }.json("kubernetes"),
        };
        let bytes = bytes(&pod, &text);
        if self.bytes + bytes > self.room {
            return false;
        }
        self.bytes += bytes;
        let name = Arc::new(name);
        for a in &pod.addresses {
            self.by_address.insert(a.to_canonical(), name.clone());
        }
        for c in &pod.containers {
            self.by_container.insert(short(&c.id).to_string(), name.clone());
        }
        self.by_name.insert(name, Entry { pod, text, list, bytes });
        true
    }

    /// Forgets a pod, and its addresses and containers unless another has them by now.
    fn remove(&mut self, name: &Name) {
        let Some(e) = self.by_name.remove(name) else { return };
        self.bytes -= e.bytes;
        for a in e.pod.addresses.iter().map(IpAddr::to_canonical) {
            if self.by_address.get(&a).is_some_and(|n| **n == *name) {
                self.by_address.remove(&a);
            }
        }
        for id in e.pod.containers.iter().map(|c| short(&c.id)) {
            if self.by_container.get(id).is_some_and(|n| **n == *name) {
                self.by_container.remove(id);
            }
        }
    }
}

/// See the module.
pub struct Known {
    /// A hash of host and number, and the number of the text.
    processes: Mutex<Vec<(u64, u64)>>,
    pods: RwLock<Pods>,
    key: [u64; 2],
}

/// The part of a container's number by which it is looked up.
pub fn short(id: &str) -> &str {
    let bare = id.rsplit_once("://").map_or(id, |(_, n)| n);
    bare.get(..SHORT).unwrap_or(bare)
}

impl Known {
    /// `room`: bytes for pods. `key`: what senders do not know, as they choose numbers of processes and names.
    pub fn new(room: u64, key: [u64; 2]) -> Known {
        let pods = RwLock::new(Pods { room, ..Pods::default() });
        Known { processes: Mutex::new(vec![(0, 0); PROCESSES]), pods, key }
    }

    /// A process's hash and its place.
    fn place(&self, host: &str, pid: u64) -> (u64, usize) {
        let mut h = keyed(self.key);
        (host, pid).hash(&mut h);
        let hash = h.finish();
        (hash, hash as usize % PROCESSES)
    }

    /// Remembers a process.
    pub fn process(&self, who: &Who, texts: &Mutex<Texts>) {
        let Some(pid) = who.pid else { return };
        let (hash, at) = self.place(&who.host, pid);
        let json = who.json("");
        let text = lock(texts).put(json.as_bytes());
        if let Some(p) = lock(&self.processes).get_mut(at) {
            *p = (hash, text);
        }
    }

    fn change(&self) -> std::sync::RwLockWriteGuard<'_, Pods> {
        self.pods.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes pods one by one, in place of what was known of those with the same names; how many find no room.
    pub fn pods(&self, pods: Vec<Pod>) -> u64 {
        let mut p = self.change();
        pods.into_iter().map(|pod| u64::from(!p.put(pod, 0))).sum()
    }

    /// Takes a whole list (a number above 0), in place of what it said before; how many of it find no room.
    pub fn list(&self, list: u32, mut pods: Vec<Pod>) -> u64 {
        let mut p = self.change();
        {
            let named: HashSet<(&str, &str)> =
                pods.iter().map(|x| (x.namespace.as_str(), x.name.as_str())).collect();
            let gone = |(n, e): &(&Arc<Name>, &Entry)| {
                e.list == list && !named.contains(&(n.0.as_str(), n.1.as_str()))
            };
            let gone: Vec<Arc<Name>> = p.by_name.iter().filter(gone).map(|(n, _)| n.clone()).collect();
            gone.iter().for_each(|n| p.remove(n));
        }
        // Pods without an address of their own say least, and are the first to find no room.
        pods.sort_by_key(|pod| pod.addresses.is_empty());
        pods.into_iter().map(|pod| u64::from(!p.put(pod, list))).sum()
    }

    /// A pod is no more.
    pub fn gone(&self, namespace: String, name: String) {
        self.change().remove(&(namespace, name));
    }

    /// Adds what is known to what an event says.
    pub fn complete(&self, who: &mut Who, local: Option<IpAddr>, texts: &Mutex<Texts>) {
        if let Some(pid) = who.pid.filter(|_| who.name.is_empty() && who.path.is_empty()) {
            let (hash, at) = self.place(&who.host, pid);
            let at = lock(&self.processes).get(at).copied();
            // Copied out, so that nobody waits while it is read.
            let text = at.filter(|p| p.0 == hash).and_then(|p| lock(texts).get(p.1).map(<[u8]>::to_vec));
            if let Some(v) = text.and_then(|t| serde_json::from_slice::<serde_json::Value>(&t).ok()) {
                who.fill(&v);
            }
        }
        let pods = self.pods.read().unwrap_or_else(PoisonError::into_inner);
        if pods.by_name.is_empty() {
            return;
        }
        let by_container = who.container.as_ref().and_then(|c| pods.by_container.get(short(&c.id)));
        let named = who.pod.as_ref().map(|p| (p.namespace.clone(), p.name.clone()));
        let by_address = local.and_then(|a| pods.by_address.get(&a.to_canonical()));
        let of = |name: Option<&Arc<Name>>| pods.by_name.get(name?);
        let by_name = || named.and_then(|n| pods.by_name.get(&n));
        if let Some(e) = of(by_container).or_else(by_name).or_else(|| of(by_address)) {
            who.in_pod(&e.pod);
        }
    }

    /// What is known of an address by the lists of pods alone.
    pub fn at(&self, address: IpAddr) -> Option<String> {
        // An event does not wait for a list that is being read.
        let pods = self.pods.try_read().ok()?;
        let name = pods.by_address.get(&address.to_canonical())?;
        pods.by_name.get(name).map(|e| e.text.clone())
    }

    pub fn count(&self) -> usize {
        self.pods.read().unwrap_or_else(PoisonError::into_inner).by_name.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::source::Container;

    const KEY: [u64; 2] = [3, 5];

    fn pod(name: &str, id: &str, address: &str) -> Pod {
        let c = Container { id: format!("containerd://{id}"), name: "c".into(), image: "image:1".into() };
        Pod {
            namespace: "ns".into(),
            name: name.into(),
            account: "sa".into(),
            node: "node".into(),
            addresses: vec![address.parse().unwrap()],
            containers: vec![c],
        }
    }

    #[test]
    fn a_number_of_a_process_gets_its_name() {
        let (k, texts) = (Known::new(1 << 20, KEY), Mutex::new(Texts::new(1 << 20, KEY)));
        let who = |host: &str, name: &str| Who {
            host: host.into(),
            pid: Some(7),
            name: name.into(),
            ..Who::default()
        };
        k.process(&who("a", "python3"), &texts);
        let mut w = who("a", "");
        k.complete(&mut w, None, &texts);
        assert_eq!(w.name, "python3");
        // The same number on another host is another process.
        let mut w = who("b", "");
        k.complete(&mut w, None, &texts);
        assert_eq!(w.name, "");
    }

    #[test]
    fn pods_are_found_by_container_name_and_address_and_move() {
        let (k, texts) = (Known::new(1 << 20, KEY), Mutex::new(Texts::new(1 << 20, KEY)));
        let (old, new): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        k.pods(vec![pod("one", "0123456789abcdef", "10.0.0.1"), pod("two", "fedcba9876543210", "10.0.0.9")]);
        let image = |w: &Who| w.container.as_ref().map(|c| c.image.clone()).unwrap_or_default();
        let found = |mut w: Who, at: Option<IpAddr>| {
            k.complete(&mut w, at, &texts);
            (w.pod.as_ref().map(|p| (p.name.clone(), p.account.clone())), image(&w))
        };
        let one = (Some(("one".to_string(), "sa".to_string())), "image:1".to_string());
        let by_id = Container { id: "0123456789ab".into(), ..Container::default() };
        assert_eq!(found(Who { container: Some(by_id), ..Who::default() }, None), one);
        let named = Pod { namespace: "ns".into(), name: "one".into(), ..Pod::default() };
        assert_eq!(found(Who { pod: Some(named), ..Who::default() }, None), one);
        assert_eq!(found(Who::default(), Some(old)), one);
        // The pod came anew with another address.
        k.pods(vec![pod("one", "0123456789abcdef", "10.0.0.2")]);
        assert_eq!((found(Who::default(), Some(new)), k.count()), (one, 2));
        assert!(k.at(old).is_none() && k.at(new).is_some());
    }

    /// A list that is read again: what is gone from it is gone, what others say stays.
    #[test]
    fn a_list_replaces_what_it_said_before() {
        let k = Known::new(1 << 20, KEY);
        let at = |n: u8| k.at(IpAddr::from([10, 0, 0, n])).is_some();
        assert_eq!(
            k.list(1, vec![pod("a", "aaaaaaaaaaaa", "10.0.0.1"), pod("b", "bbbbbbbbbbbb", "10.0.0.2")]),
            0
        );
        k.list(2, vec![pod("c", "cccccccccccc", "10.0.0.3")]);
        k.pods(vec![pod("d", "dddddddddddd", "10.0.0.4")]);
        // One guard at a time: a second one would wait for the first.
        let sizes = || {
            let p = k.change();
            (p.by_name.len(), p.by_container.len(), p.bytes)
        };
        let taken = sizes().2;
        k.list(1, vec![pod("b", "eeeeeeeeeeee", "10.0.0.5")]);
        assert_eq!([1, 2, 3, 4, 5].map(at), [false, false, true, true, true]);
        assert_eq!((sizes().0, sizes().1), (3, 3));
        // Restarts of a container leave nothing behind.
        for n in 0..1000 {
            k.list(1, vec![pod("b", &format!("{n:012}"), "10.0.0.5"), pod("a", "aaaaaaaaaaaa", "10.0.0.1")]);
        }
        assert_eq!(sizes(), (4, 4, taken));
        k.gone("ns".into(), "c".into());
        k.list(1, Vec::new());
        assert_eq!(([1, 3, 4, 5].map(at), k.count()), ([false, false, true, false], 1));
    }

    #[test]
    fn pods_that_find_no_room_are_counted_and_those_with_addresses_come_first() {
        let k = Known::new(100_000, KEY);
        let job =
            |n: usize| Pod { addresses: Vec::new(), ..pod(&format!("job-{n}"), &format!("{n:012}"), "::1") };
        let mut all: Vec<Pod> = (0..5000).map(job).collect();
        all.push(pod("serves", "ffffffffffff", "10.0.0.1"));
        let lost = k.list(1, all);
        assert_eq!(k.count() as u64 + lost, 5001);
        assert!(lost > 4500 && k.at("10.0.0.1".parse().unwrap()).is_some());
        assert!(k.change().bytes <= 100_000);
        // There is room for others once they are gone.
        assert_eq!(k.list(1, vec![pod("serves", "ffffffffffff", "10.0.0.1")]), 0);
        assert_eq!(k.pods(vec![pod("next", "eeeeeeeeeeee", "10.0.0.2")]), 0);
    }

    /// Places of processes: all are used, and which depends on the key.
    #[test]
    fn processes_spread_over_the_whole_table_by_the_key() {
        let (k, other) = (Known::new(0, KEY), Known::new(0, [3, 6]));
        let places: HashSet<usize> = (0..10_000).map(|pid| k.place("host", pid).1).collect();
        assert!(places.iter().filter(|p| *p % 2 == 0).count() > 4000);
        assert!((0..100).filter(|&pid| k.place("h", pid) == other.place("h", pid)).count() < 3);
    }
}
