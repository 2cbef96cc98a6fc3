//! Which options of `tidegate run` mean something where: parsed arguments come in, the first option without effect comes
//! out, as a message. [`TABLE`] is the only list; called once, before anything is read. [`twice`] finds options that hold one value
//! and were given two.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};

/// Where an option means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Captures,
    /// Interfaces and ports.
    Live,
    /// Ports, and pairs of interfaces.
    DpdkOrInline,
    Dpdk,
}

/// Options that mean something in some places only, by clap's name. The others mean the same everywhere.
const TABLE: [(&str, Where); 27] = [
    ("each", Where::Captures),
    ("batch", Where::Captures),
    ("fail_at", Where::Captures),
    ("filter", Where::Captures),
    ("bpf_file", Where::Captures),
    ("pcap_file_recursive", Where::Captures),
    ("pcap_file_continuous", Where::Captures),
    ("pcap_file_delete", Where::Captures),
    ("interface", Where::Live),
    ("dpdk", Where::Live),
    ("inline", Where::Live),
    ("block_list", Where::Live),
    ("fail", Where::Live),
    ("workers", Where::Live),
    ("control", Where::Live),
    ("response", Where::Live),
    ("prometheus", Where::Live),
    ("stats_interval", Where::Live),
    ("user", Where::Live),
    ("allow_faults", Where::Live),
    ("busy", Where::DpdkOrInline),
    ("rx_queues", Where::Dpdk),
    ("descriptors", Where::Dpdk),
    ("mbufs", Where::Dpdk),
    ("mtu", Where::Dpdk),
    ("linktype", Where::Dpdk),
    ("offload", Where::Dpdk),
];
/// Options that only mean something beside another: the second.
const BESIDE: [(&str, &str); 2] = [("offload_age", "offload"), ("fail", "inline")];

/// Why an option that was given cannot mean anything beside the others; `None` if all do. `run`: the matches of `run`.
pub(super) fn without_effect(run: &ArgMatches) -> Option<String> {
    let given = |id: &str| run.value_source(id) == Some(ValueSource::CommandLine);
    let spelled = |id: &str| match id {
        "filter" => "a filter".to_string(),
        "interface" => "-i".to_string(),
        "bpf_file" => "-F".to_string(),
        id => format!("--{}", id.replace('_', "-")),
    };
    // A question about a run is allowed to have the options of that run.
    let asked = given("test") || given("engine_analysis");
    // It need not say of which; when it does, its options are held against that.
    let live = ["interface", "inline", "dpdk"].iter().any(|id| given(id));
    let wrong = |&(id, place): &(&str, Where)| {
        let only = match place {
            Where::Captures if !given("read") && (!asked || live) => "captures (-r)",
            Where::Live if given("read") => "live traffic (-i, --inline, --dpdk)",
            Where::DpdkOrInline if !given("dpdk") && !given("inline") => "ports (--dpdk) and --inline",
            Where::Dpdk if !given("dpdk") => "ports (--dpdk)",
            _ => return None,
        };
        given(id).then(|| format!("{} works on {only} only", spelled(id)))
    };
    TABLE.iter().find_map(wrong).or_else(|| {
        BESIDE
            .iter()
            .find(|(a, b)| given(a) && !given(b) && !asked)
            .map(|(a, b)| format!("{} works only beside {}", spelled(a), spelled(b)))
    })
}

/// What is said of an option of `run` that holds one value and has several in `args`, or of an interface that is named twice: the
/// last would win, or packets count twice. The same value again means nothing else.
pub(super) fn twice(command: Command, args: &[OsString]) -> Option<String> {
    let several = |a: clap::Arg| match a.get_action() {
        ArgAction::Set if !a.is_positional() => a.action(ArgAction::Append),
        _ => a,
    };
    let matches =
        command.clone().mut_subcommand("run", |run| run.mut_args(several)).try_get_matches_from(args).ok()?;
    let given = matches.subcommand_matches("run")?;
    command.find_subcommand("run")?.get_arguments().find_map(|a| {
        let id = a.get_id().as_str();
        let one = matches!(a.get_action(), ArgAction::Set) && !a.is_positional();
        let values: Vec<String> = given.get_raw(id)?.map(|v| v.to_string_lossy().into_owned()).collect();
        let from_user = given.value_source(id) == Some(ValueSource::CommandLine);
        let name =
            a.get_short().map_or_else(|| format!("--{}", a.get_long().unwrap_or(id)), |s| format!("-{s}"));
        let first = values.first()?;
        match values.iter().skip(1).find(|v| *v != first) {
            Some(other) if one && from_user => {
                Some(format!("{name} is given twice, {first} and {other}; expected one"))
            }
            _ if id == "interface" => {
                let again = values.iter().enumerate().find(|(i, v)| values.iter().take(*i).any(|w| w == *v));
                again.map(|(_, v)| format!("{name} {v} is given twice"))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::Cli;
    use clap::CommandFactory;

    /// What is said of `tidegate run` with these arguments.
    fn said(args: &[&str]) -> Option<String> {
        let all = [&["tidegate", "run"], args].concat();
        let m = Cli::command().try_get_matches_from(all).expect("clap takes them");
        without_effect(m.subcommand_matches("run").expect("run"))
    }

    #[test]
    fn options_of_one_value_are_not_given_two() {
        let said = |args: &[&str]| {
            let all: Vec<OsString> = ["tidegate", "run"].iter().chain(args).map(OsString::from).collect();
            twice(Cli::command(), &all)
        };
        for (args, e) in [
            (&["-r", "a", "-r", "b"][..], Some("-r is given twice, a and b; expected one")),
            (&["-r", "a", "-l", "x", "-l", "y"], Some("-l is given twice, x and y; expected one")),
            (
                &["-r", "a", "--memory", "64mb", "--memory=1gb"],
                Some("--memory is given twice, 64mb and 1gb; expected one"),
            ),
            (
                &["-T", "--policy", "a", "--policy", "b"],
                Some("--policy is given twice, a and b; expected one"),
            ),
            (&["--dpdk", "a", "--dpdk", "b"], Some("--dpdk is given twice, a and b; expected one")),
            (&["-i", "lo", "-i", "eth0", "-i", "lo"], Some("-i lo is given twice")),
            (&["-i", "lo", "-i", "eth0"], None),
            (&["-r", "a", "-k", "none", "-k", "none", "-q", "-q", "-v", "-v"], None),
            (&["-r", "a", "-S", "x", "-S", "y", "--set", "a=1", "--set", "b=2", "port", "80"], None),
            (&["-i", "lo", "--prometheus", "--workers", "2"], None),
        ] {
            assert_eq!(said(args).as_deref(), e, "{args:?}");
        }
        // Every option that holds one value.
        let command = Cli::command();
        let run = command.find_subcommand("run").expect("run");
        for a in
            run.get_arguments().filter(|a| matches!(a.get_action(), ArgAction::Set) && !a.is_positional())
        {
            let name = format!("--{}", a.get_long().unwrap_or_default());
            let name = a.get_short().map_or(name, |s| format!("-{s}"));
            let possible = a.get_possible_values();
            let two = match (a.get_id().as_str(), possible.as_slice()) {
                (_, [x, y, ..]) => [x.get_name().to_string(), y.get_name().to_string()],
                ("prometheus", _) => ["127.0.0.1:1".into(), "127.0.0.1:2".into()],
                _ => ["1".to_string(), "2".to_string()],
            };
            let glued = |v: &str| if name.len() == 2 { format!("{name}{v}") } else { format!("{name}={v}") };
            let other = if name == "-r" || name == "--dpdk" { "-T" } else { "-rx" };
            let live = a.get_help_heading() == Some("Live traffic");
            let other = if live { "-T" } else { other };
            let args = [other.to_string(), glued(&two[0]), glued(&two[1])];
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            assert!(said(&args).is_some_and(|e| e.starts_with(&name)), "{args:?}: {:?}", said(&args));
        }
    }

    /// No option of live traffic is taken and ignored with `-r`, none of captures without.
    #[test]
    fn options_without_effect_are_refused() {
        let command = Cli::command();
        let run = command.find_subcommand("run").expect("run");
        for a in run.get_arguments().filter(|a| a.get_help_heading() == Some("Live traffic")) {
            let id = a.get_id().as_str();
            let known = TABLE.iter().any(|t| t.0 == id) || BESIDE.iter().any(|b| b.0 == id);
            assert!(known, "{id} is in neither table");
            let long = a.get_long().map_or("-i".to_string(), |l| format!("--{l}"));
            let value = match id {
                "prometheus" => "127.0.0.1:1",
                "offload" => "ingress",
                "fail" => "open",
                _ => "1",
            };
            let mut args = vec!["tidegate", "run", "-r", "x", &long];
            if a.get_action().takes_values() {
                args.push(value);
            }
            match Cli::command().try_get_matches_from(&args) {
                // clap refuses it itself.
                Err(e) => assert!(e.to_string().contains("cannot be used with"), "{e}"),
                Ok(m) => {
                    let e = without_effect(m.subcommand_matches("run").expect("run"));
                    assert!(e.is_some_and(|e| e.starts_with(&format!("{long} works o"))), "{args:?}");
                }
            }
        }
        for t in TABLE {
            assert!(run.get_arguments().any(|a| a.get_id() == t.0), "{}", t.0);
        }
        for (args, e) in [
            (&["-i", "lo", "--each"][..], Some("--each works on captures (-r) only")),
            (&["-i", "lo", "--batch", "7"], Some("--batch works on captures (-r) only")),
            (&["-T", "-i", "lo", "--batch", "7"], Some("--batch works on captures (-r) only")),
            (&["-T", "--inline", "a:b", "--each"], Some("--each works on captures (-r) only")),
            (&["-T", "--batch", "7"], None),
            (&["-i", "lo", "--mtu", "9000"], Some("--mtu works on ports (--dpdk) only")),
            (&["-i", "lo", "--busy"], Some("--busy works on ports (--dpdk) and --inline only")),
            (&["-i", "lo", "--fail", "open"], Some("--fail works only beside --inline")),
            (&["--dpdk", "", "--offload-age", "3"], Some("--offload-age works only beside --offload")),
            (&["--dpdk", "", "--offload", "ingress", "--offload-age", "3", "--mtu", "9000"], None),
            (&["--inline", "a:b", "--busy", "--fail", "open"], None),
            (&["-r", "x", "--batch", "7", "port 53"], None),
        ] {
            assert_eq!(said(args).as_deref(), e, "{args:?}");
        }
    }
}
