//! Processes and pods by their names, to complete what a connection's event leaves out.
//!
//! In: events about processes, lists of pods. Out: the rest of a [`Who`]. Owns a table of processes of fixed size (their texts
//! lie with all others), and the pods of the operator's lists.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError, RwLock};

use super::lock;
use super::source::{Pod, Who};
use super::text::Texts;

/// Processes that are remembered; a newer one takes the place of an older one.
const PROCESSES: usize = 65_536;
/// Pods of all lists.
const PODS: usize = 262_144;
/// Letters of a container's number that all sources give.
const SHORT: usize = 12;

/// Pods by what names them.
#[derive(Default)]
struct Pods {
    by_address: HashMap<IpAddr, (usize, String)>,
    by_container: HashMap<String, usize>,
    by_name: HashMap<(String, String), usize>,
    all: Vec<Pod>,
}

/// See the module.
pub struct Known {
    /// A hash of host and number, and the number of the text.
    processes: Mutex<Vec<(u64, u64)>>,
    pods: RwLock<Pods>,
}

impl Default for Known {
    fn default() -> Self {
        Known { processes: Mutex::new(vec![(0, 0); PROCESSES]), pods: RwLock::default() }
    }
}

fn hash(host: &str, pid: u64) -> u64 {
    let mut h = DefaultHasher::new();
    (host, pid).hash(&mut h);
    h.finish() | 1
}

/// The part of a container's number by which it is looked up.
pub fn short(id: &str) -> &str {
    let bare = id.rsplit_once("://").map_or(id, |(_, n)| n);
    bare.get(..SHORT).unwrap_or(bare)
}

impl Known {
    /// Remembers a process.
    pub fn process(&self, who: &Who, texts: &Mutex<Texts>) {
        let Some(pid) = who.pid else { return };
        let h = hash(&who.host, pid);
        let json = who.json("");
        let text = lock(texts).put(json.as_bytes());
        if let Some(p) = lock(&self.processes).get_mut(h as usize % PROCESSES) {
            *p = (h, text);
        }
    }

    /// Takes a list of pods, which replaces what was known of pods with the same names.
    pub fn pods(&self, list: Vec<Pod>) {
        let mut p = self.pods.write().unwrap_or_else(PoisonError::into_inner);
        for pod in list {
            let name = (pod.namespace.clone(), pod.name.clone());
            let at = match p.by_name.get(&name) {
                Some(&at) => at,
                None if p.all.len() >= PODS => continue,
                None => p.all.len(),
            };
            // A pod that came anew has left its old addresses, unless another has them by now.
            for old in p.all.get(at).map(|x| x.addresses.clone()).unwrap_or_default() {
                if p.by_address.get(&old.to_canonical()).is_some_and(|x| x.0 == at) {
                    p.by_address.remove(&old.to_canonical());
                }
            }
            for a in &pod.addresses {
                let text = Who { pod: Some(pod.clone()), ..Who::default() }.json("kubernetes");
                p.by_address.insert(a.to_canonical(), (at, text));
            }
            for c in &pod.containers {
                p.by_container.insert(short(&c.id).to_string(), at);
            }
            p.by_name.insert(name, at);
            if at == p.all.len() {
                p.all.push(pod);
            } else {
                p.all[at] = pod;
            }
        }
    }

    /// Adds what is known to what an event says.
    pub fn complete(&self, who: &mut Who, local: Option<IpAddr>, texts: &Mutex<Texts>) {
        if let Some(pid) = who.pid.filter(|_| who.name.is_empty() && who.path.is_empty()) {
            let h = hash(&who.host, pid);
            let at = lock(&self.processes).get(h as usize % PROCESSES).copied();
            // Copied out, so that nobody waits while it is read.
            let text = at.filter(|p| p.0 == h).and_then(|p| lock(texts).get(p.1).map(<[u8]>::to_vec));
            if let Some(v) = text.and_then(|t| serde_json::from_slice::<serde_json::Value>(&t).ok()) {
                who.fill(&v);
            }
        }
        let pods = self.pods.read().unwrap_or_else(PoisonError::into_inner);
        if pods.all.is_empty() {
            return;
        }
        let by_container = who.container.as_ref().and_then(|c| pods.by_container.get(short(&c.id)).copied());
        let named = who.pod.as_ref().map(|p| (p.namespace.clone(), p.name.clone()));
        let by_name = named.and_then(|n| pods.by_name.get(&n).copied());
        let by_address = local.and_then(|a| pods.by_address.get(&a.to_canonical())).map(|p| p.0);
        if let Some(pod) = by_container.or(by_name).or(by_address).and_then(|at| pods.all.get(at)) {
            who.in_pod(pod);
        }
    }

    /// What is known of an address by the lists of pods alone.
    pub fn at(&self, address: IpAddr) -> Option<String> {
        // An event does not wait for a list that is being read.
        let pods = self.pods.try_read().ok()?;
        pods.by_address.get(&address.to_canonical()).map(|p| p.1.clone())
    }

    pub fn count(&self) -> usize {
        self.pods.read().unwrap_or_else(PoisonError::into_inner).all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::source::Container;

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
        let (k, texts) = (Known::default(), Mutex::new(Texts::new(1 << 20)));
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
        let (k, texts) = (Known::default(), Mutex::new(Texts::new(1 << 20)));
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
}
