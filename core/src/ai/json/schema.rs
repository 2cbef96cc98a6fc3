//! What is asked of JSON: paths in, a tree that is walked key by key out. Made once, at the start.

use alloc::vec;
use alloc::vec::Vec;

/// What a path means, for who asked. 0 is nothing.
pub type Field = u8;

pub(in crate::ai) const NIL: u16 = u16::MAX;
/// Levels of a schema.
pub(super) const LEVELS: usize = 14;

/// A path of interest: keys separated by dots, `[]` for the members of a list, `*` for any key; and what it means. A path
/// that ends in `!` is told as it stands in the text, when it is an object or a list.
pub type Path = (&'static str, Field);

/// A place in the tree.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) field: Field,
    pub(super) raw: bool,
    /// Where its keys are among those of the schema, by [`spread`]: most keys of a message are none of them.
    keys: [u16; SPREAD],
    has_keys: bool,
    /// The place for the members of a list, and for any key.
    pub(super) member: u16,
    pub(super) any: u16,
}

#[derive(Debug, Clone)]
struct Key {
    /// Its first and last eight bytes, see [`head`].
    head: u64,
    tail: u64,
    text: &'static str,
    node: u16,
    /// The next key in the same place.
    next: u16,
}

impl Key {
    /// Whether what follows its first eight bytes is the same.
    #[inline(always)]
    fn ends_as(&self, key: &[u8]) -> bool {
        key.last_chunk().is_some_and(|last| self.tail == u64::from_le_bytes(*last))
            && (key.len() <= 16 || self.text.as_bytes() == key)
    }
}

/// Paths of interest as a tree.
#[derive(Debug, Clone)]
pub struct Schema {
    nodes: Vec<Node>,
    keys: Vec<Key>,
}

/// The first eight bytes of a key; zeros after its end.
fn head(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk() {
        return u64::from_le_bytes(*first);
    }
    let mut b = [0; 8];
    b[..key.len()].copy_from_slice(key);
    u64::from_le_bytes(b)
}

/// What is left of eight bytes when only the first of them count.
static FIRST: [u64; 9] = {
    let mut t = [0; 9];
    let mut n = 1;
    while n < 9 {
        t[n] = t[n - 1] << 8 | 0xff;
        n += 1;
    }
    t
};

/// Places for the keys of a node.
const SPREAD: usize = 32;

/// The place of a key.
const fn spread(head: u64, len: usize) -> usize {
    ((head ^ len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) as usize
}

/// The tree while it grows.
struct Growing {
    node: Node,
    keys: Vec<(&'static str, u16)>,
}

impl Schema {
    /// # Panics
    /// When the paths are too deep: they are constants of the program.
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Schema {
        let mut tree = vec![Growing::new()];
        for (path, field) in paths {
            let (path, raw) = path.strip_suffix('!').map_or((*path, false), |p| (p, true));
            let mut at = 0;
            let mut levels = 0;
            for part in path.split('.') {
                let key = part.trim_end_matches("[]");
                if !key.is_empty() {
                    at = child(&mut tree, at, key);
                    levels += 1;
                }
                for _ in 0..(part.len() - key.len()) / 2 {
                    at = member(&mut tree, at);
                    levels += 1;
                }
            }
            assert!(levels < LEVELS, "{path}");
            let n = &mut tree[usize::from(at)].node;
            (n.field, n.raw) = (*field, raw);
        }
        let mut s = Schema { nodes: Vec::new(), keys: Vec::new() };
        for mut g in tree {
            for (text, node) in g.keys {
                let head = head(text.as_bytes());
                let place = &mut g.node.keys[spread(head, text.len())];
                let next = core::mem::replace(place, s.keys.len() as u16);
                g.node.has_keys = true;
                let tail = text.as_bytes().last_chunk().map_or(0, |last| u64::from_le_bytes(*last));
                s.keys.push(Key { head, tail, text, node, next });
            }
            s.nodes.push(g.node);
        }
        s
    }

    #[inline]
    pub(super) fn node(&self, n: u16) -> Option<&Node> {
        self.nodes.get(usize::from(n))
    }

    /// Whether anything below it is asked for.
    pub(in crate::ai) fn has_children(&self, n: u16) -> bool {
        self.node(n).is_some_and(|n| n.has_keys)
    }

    /// The place of a key below another.
    pub(in crate::ai) fn find(&self, of: u16, key: &[u8]) -> u16 {
        self.look(of, head(key), key)
    }

    /// As [`Schema::find`], of a key at the beginning of what is in sight.
    #[inline(always)]
    pub(super) fn find_in(&self, of: u16, sight: &[u8], key: &[u8]) -> u16 {
        let first = match sight.first_chunk() {
            Some(eight) => u64::from_le_bytes(*eight) & FIRST[key.len().min(8)],
            None => head(key),
        };
        self.look(of, first, key)
    }

    #[inline]
    fn look(&self, of: u16, head: u64, key: &[u8]) -> u16 {
        let Some(n) = self.node(of) else { return NIL };
        let mut at = n.keys[spread(head, key.len())];
        while let Some(k) = self.keys.get(usize::from(at)) {
            if k.head == head && k.text.len() == key.len() && (key.len() <= 8 || k.ends_as(key)) {
                return k.node;
            }
            at = k.next;
        }
        n.any
    }

    /// Whether somebody asks for members of an object there, and for nothing else of it.
    #[inline]
    pub(super) fn is_object(&self, n: u16) -> bool {
        self.node(n).is_some_and(|n| n.has_keys && !n.raw)
    }

    /// Whether somebody asks for members of a list there, and for nothing else of it.
    #[inline]
    pub(super) fn is_list(&self, n: u16) -> bool {
        self.node(n).is_some_and(|n| n.member != NIL && !n.raw)
    }

    #[inline]
    pub(in crate::ai) fn field(&self, n: u16) -> Field {
        self.node(n).map_or(0, |n| n.field)
    }
}

impl Node {
    /// Whether somebody asks for members of it as a list or as an object.
    #[inline]
    pub(super) fn is_wanted(&self, list: bool) -> bool {
        if list { self.member != NIL } else { self.any != NIL || self.has_keys }
    }
}

impl Schema {
    /// Nothing is asked of a text that is no object, so none of less than six bytes (`{"":1}`) has anything to tell.
    pub fn asks_members_alone(&self) -> bool {
        self.nodes.first().is_none_or(|root| root.field == 0 && root.member == NIL)
    }
}

impl Growing {
    fn new() -> Growing {
        let node = Node { field: 0, raw: false, keys: [NIL; SPREAD], has_keys: false, member: NIL, any: NIL };
        Growing { node, keys: Vec::new() }
    }
}

fn push(tree: &mut Vec<Growing>) -> u16 {
    tree.push(Growing::new());
    tree.len() as u16 - 1
}

fn child(tree: &mut Vec<Growing>, of: u16, key: &'static str) -> u16 {
    let parent = &tree[usize::from(of)];
    if key == "*" {
        if parent.node.any == NIL {
            let n = push(tree);
            tree[usize::from(of)].node.any = n;
        }
        return tree[usize::from(of)].node.any;
    }
    if let Some((_, n)) = parent.keys.iter().find(|k| k.0 == key) {
        return *n;
    }
    let n = push(tree);
    tree[usize::from(of)].keys.push((key, n));
    n
}

fn member(tree: &mut Vec<Growing>, of: u16) -> u16 {
    if tree[usize::from(of)].node.member == NIL {
        let n = push(tree);
        tree[usize::from(of)].node.member = n;
    }
    tree[usize::from(of)].node.member
}
