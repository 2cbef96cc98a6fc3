//! Forms of settings: what was asked of a [`Node`] goes in; what is a single value where a list or a mapping belongs, or the other
//! way round, comes out with its place. Such a setting decides nothing, whatever it was meant to say.

use super::yaml::Node;

/// What a setting should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Mapping,
    List,
    Value,
}

impl Shape {
    const fn words(self) -> &'static str {
        match self {
            Shape::Mapping => "a mapping of settings",
            Shape::List => "a list",
            Shape::Value => "a single value",
        }
    }
}

/// Whether `key` is a place in a list: `--set rule-files.0=x` makes lists that way.
fn is_place(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit())
}

impl Node {
    /// Settings below were asked for.
    pub(super) fn asked_below(&self, key: &str) {
        let scalar = self.children.is_empty() && self.val.is_some() && !self.bare.get();
        if scalar || (self.seq && !is_place(key)) {
            self.wanted.set(Some(Shape::Mapping));
        }
    }

    /// Its own text was asked for.
    pub(super) fn asked_value(&self) {
        if self.val.is_none() && !self.children.is_empty() {
            self.wanted.set(Some(Shape::Value));
        }
    }

    /// Items were asked for; whether it has any.
    pub(super) fn asked_items(&self) -> bool {
        let list = self.seq || self.children.iter().all(|c| is_place(&c.key));
        let fits = list && (self.val.is_none() || !self.children.is_empty());
        if !fits {
            self.wanted.set(Some(Shape::List));
        }
        fits
    }

    /// The settings of a mapping whose names are not known.
    pub fn entries(&self) -> &[Node] {
        if self.seq || (self.children.is_empty() && self.val.is_some()) {
            self.wanted.set(Some(Shape::Mapping));
            return &[];
        }
        &self.children
    }

    /// The items of a list of single values, each with its node.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &Node)> {
        let items = if self.asked_items() { &self.children[..] } else { &[] };
        items.iter().filter_map(|item| {
            item.used.set(true);
            item.asked_value();
            Some((item.val.as_deref().filter(|_| item.children.is_empty())?, item))
        })
    }

    /// A value that may be written as one text or as a list: `[80, 81]`, `"80, 81"`.
    pub fn joined(&self) -> Option<String> {
        if self.seq && !self.children.is_empty() {
            return Some(self.texts().map(|(t, _)| t).collect::<Vec<_>>().join(","));
        }
        self.asked_value();
        self.val.clone()
    }

    /// What is told of all below that has another form than was asked for. What lies in it is taken as told.
    pub(super) fn misshapen(&self) -> Vec<String> {
        let mut out = Vec::new();
        for c in self.children.iter().filter(|c| !c.moot.get()) {
            let Some(wanted) = c.wanted.get() else {
                out.extend(c.misshapen());
                continue;
            };
            let have = match &c.val {
                Some(v) => format!("`{v}`"),
                None if c.seq => "a list".to_string(),
                None => "a mapping".to_string(),
            };
            out.push(c.odd(&format!("expected {}, not {have}", wanted.words())));
            c.accept();
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Overrides, Settings};

    fn told(text: &str) -> Vec<String> {
        Settings::parse(text, &Overrides::default()).unwrap().without_effect()
    }

    #[test]
    fn values_where_lists_or_mappings_belong_are_named_with_their_place() {
        let lists = [
            ("rule-files: x", "rule-files", "1:13", "`x`"),
            ("rule-files: {a: b}", "rule-files", "1:13", "a mapping"),
            ("intel-files: x", "intel-files", "1:14", "`x`"),
            ("block-lists: x", "block-lists", "1:14", "`x`"),
            ("reputation-files: x", "reputation-files", "1:19", "`x`"),
            ("context: {files: x}", "context.files", "1:18", "`x`"),
            ("tls-keys: {files: x}", "tls-keys.files", "1:19", "`x`"),
            ("outputs: 7", "outputs", "1:10", "`7`"),
            ("outputs: {fast: {enabled: yes}}", "outputs", "1:10", "a mapping"),
            ("outputs: [eve-log: {enabled: no, types: 7}]", "outputs.0.eve-log.types", "1:41", "`7`"),
            ("outputs: [eve-log: {types: alert}]", "outputs.0.eve-log.types", "1:28", "`alert`"),
            (
                "outputs: [eve-log: {types: [files: {force-hash: md5}]}]",
                "outputs.0.eve-log.types.0.files.force-hash",
                "1:49",
                "`md5`",
            ),
            (
                "outputs: [eve-log: {types: [dns: {types: a}]}]",
                "outputs.0.eve-log.types.0.dns.types",
                "1:42",
                "`a`",
            ),
            (
                "outputs: [file-store: {enabled: yes, force-hash: md5}]",
                "outputs.0.file-store.force-hash",
                "1:50",
                "`md5`",
            ),
        ];
        let mappings = [
            ("outputs: [fast: yes]", "outputs.0.fast", "1:17", "`yes`"),
            ("outputs: [pcap-log: no]", "outputs.0.pcap-log", "1:21", "`no`"),
            ("outputs:\n - eve-log: 7", "outputs.0.eve-log", "2:13", "`7`"),
            ("outputs: [eve-log: {types: [alert: yes]}]", "outputs.0.eve-log.types.0.alert", "1:36", "`yes`"),
            ("vars: 7", "vars", "1:7", "`7`"),
            ("vars:\n  address-groups: 7", "vars.address-groups", "2:19", "`7`"),
            ("vars: {port-groups: [P]}", "vars.port-groups", "1:21", "a list"),
            ("app-layer: {protocols: no}", "app-layer.protocols", "1:24", "`no`"),
            ("app-layer: {protocols: {http: no}}", "app-layer.protocols.http", "1:31", "`no`"),
            ("app-layer: {protocols: {dns: {udp: no}}}", "app-layer.protocols.dns.udp", "1:36", "`no`"),
            ("stream: yes", "stream", "1:9", "`yes`"),
            ("stream: [inline]", "stream", "1:9", "a list"),
            ("stream: {reassembly: 5}", "stream.reassembly", "1:22", "`5`"),
            ("flow-timeouts: {tcp: 5}", "flow-timeouts.tcp", "1:22", "`5`"),
            ("decoder: {vxlan: no}", "decoder.vxlan", "1:18", "`no`"),
            ("host-os-policy: linux", "host-os-policy", "1:17", "`linux`"),
            ("datasets: 7", "datasets", "1:11", "`7`"),
            ("datasets: {x: 7}", "datasets.x", "1:15", "`7`"),
            ("logging: 7", "logging", "1:10", "`7`"),
        ];
        let values = [
            ("rule-files: [x, [y]]", "rule-files.1", "1:17", "a list"),
            ("stream: {midstream: [yes]}", "stream.midstream", "1:21", "a list"),
            ("policy-file: [x]", "policy-file", "1:14", "a list"),
            ("threshold-file: {a: b}", "threshold-file", "1:17", "a mapping"),
        ];
        for (wanted, rows) in
            [("a list", &lists[..]), ("a mapping of settings", &mappings), ("a single value", &values)]
        {
            for (text, path, at, have) in rows {
                let told_as = format!("{path} (configuration:{at}: expected {wanted}, not {have})");
                assert_eq!(told(text), [told_as], "{text}");
                let strict = Settings::parse(text, &Overrides::default()).unwrap().strict();
                assert!(strict.unwrap_err().to_string().contains(path), "{text}");
            }
        }
    }

    #[test]
    fn what_may_be_written_in_several_ways_is_not_named() {
        for text in [
            "decoder: {vxlan: {ports: [1, 2]}}",
            "decoder: {vxlan: {ports: \"1, 2\"}}",
            "app-layer: {protocols: {tls: {detection-ports: {dp: [443, 8443]}}}}",
            "outputs:\n - fast\n - eve-log: {types: [alert, {alert: {metadata: no}}, anomaly]}",
            "outputs: [eve-log: {types: [alert: {metadata: {rule: {raw: yes}}}]}]",
            "rule-files:\nvars:\nstream:\noutputs:\napp-layer: {protocols: {tls: }}",
        ] {
            let told: Vec<String> = told(text).into_iter().filter(|t| t.contains("expected")).collect();
            assert_eq!(told, Vec::<String>::new(), "{text}");
        }
        let s = Settings::parse("decoder: {vxlan: {ports: [1, 2]}}", &Overrides::default()).unwrap();
        assert_eq!((s.decoder.vxlan.as_slice(), s.without_effect().len()), (&[1u16, 2][..], 0));
        let set = ["rule-files.0=a".to_string()];
        let s = Settings::load(None, &Overrides { set: &set, ips: false }).unwrap();
        assert_eq!((s.rule_files, s.told), (vec!["a".to_string()], vec![]));
        let set = ["rule-files=a".to_string()];
        let s = Settings::load(None, &Overrides { set: &set, ips: false }).unwrap();
        assert_eq!(s.without_effect(), ["rule-files (expected a list, not `a`)"]);
    }

    /// An address group that is a list has no text: it is an error, not a group of nothing.
    #[test]
    fn groups_that_are_lists_are_refused() {
        let e = Settings::parse("vars: {address-groups: {HOME_NET: [10.0.0.0/8]}}", &Overrides::default());
        let e = e.unwrap_err().to_string();
        assert!(
            e.starts_with("configuration:1:35: vars.address-groups.HOME_NET: expected one text in quotes"),
            "{e}"
        );
    }
}
