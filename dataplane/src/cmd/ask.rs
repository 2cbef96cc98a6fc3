//! Questions to `tidegate run` that Suricata's users ask: what is known, whether configuration and rules load, what rules
//! become. In: the arguments. Out: an answer on standard output and an exit code; no packet is looked at.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tidegate_core::app::registry::PROTOCOLS;
use tidegate_core::rules::{Listed, all_keywords};

use crate::config::{Overrides, Settings, dump};
use crate::context::Context;
use crate::live::blocklist::BlockList;
use crate::load::{self, Loaded};
use crate::response::Setup;

use super::input::{known_links, rule_files, tell_refusals};
use super::{RunArgs, WRONG_USAGE, answer, ready, run};

/// Options of `tidegate run` that are answered at once.
#[derive(Debug, Args)]
#[command(next_help_heading = "Questions")]
pub struct AskArgs {
    /// Test whether a run could begin: configuration, rules, lists, filter, captures or interfaces, keys, context, memory, folders;
    /// exit code 1 when anything is refused or would be done without. Nothing is left behind
    #[arg(short = 'T', long = "test")]
    pub test: bool,
    /// Print every setting of the configuration, a line each
    #[arg(long)]
    pub dump_config: bool,
    /// Print the keywords of rules; =csv: with what they are; =NAME: one of them
    #[arg(long, value_name = "csv|NAME", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub list_keywords: Option<String>,
    /// Print the protocols that rules can name
    #[arg(long)]
    pub list_app_layer_protos: bool,
    /// Print the states of protocols that a rule's header can name (tls:client_hello_done)
    #[arg(long)]
    pub list_app_layer_hooks: bool,
    /// Print what each rule became: its buffers, its fast pattern, what is odd
    #[arg(long)]
    pub engine_analysis: bool,
    /// Print what this program was built of
    #[arg(long)]
    pub build_info: bool,
    /// Refused: a service manager keeps a process that stays in the foreground
    #[arg(short = 'D', hide = true)]
    pub daemon: bool,
}

/// Names of the options of [`AskArgs`], for clap: they make an input unnecessary.
pub const NAMES: [&str; 8] = [
    "test",
    "dump_config",
    "list_keywords",
    "list_app_layer_protos",
    "list_app_layer_hooks",
    "engine_analysis",
    "build_info",
    "daemon",
];

const DAEMON: &str = "-D: this program stays in the foreground, so that a service manager sees its messages and its end; \
                      write a systemd unit with Type=exec and ExecStart=tidegate run ..., or start it with & and --pidfile";

/// The answer to the question in `args`, if there is one.
pub(super) fn answer(args: &RunArgs) -> Option<ExitCode> {
    let a = &args.ask;
    if a.daemon {
        eprintln!("tidegate: {DAEMON}");
        return Some(ExitCode::from(WRONG_USAGE));
    }
    let said = if let Some(which) = &a.list_keywords {
        keywords(which)
    } else if a.list_app_layer_protos {
        Ok(protocols())
    } else if a.list_app_layer_hooks {
        Ok(hooks())
    } else if a.build_info {
        Ok(build_info())
    } else if a.dump_config {
        let over = Overrides { set: &args.set, ips: args.simulate_ips };
        dump(run::config_file(args), &over).map_err(|e| e.to_string())
    } else if a.engine_analysis {
        analysis(args)
    } else if a.test {
        test(args)
    } else {
        return None;
    };
    Some(answer::end(said.map(|t| (t, ExitCode::SUCCESS))))
}

fn keywords(which: &str) -> Result<String, String> {
    let all = all_keywords();
    let row = |l: &Listed| {
        let features = if l.bare { format!("{}, no option", l.kind) } else { l.kind.to_string() };
        format!("{};{};{}\n", l.name, l.protos.join(","), features)
    };
    const HEAD: &str = "name;app layer;features\n";
    match which {
        "" => Ok(all.iter().map(|l| format!("{}\n", l.name)).collect()),
        "csv" => Ok(std::iter::once(HEAD.to_string()).chain(all.iter().map(row)).collect()),
        name => match all.iter().find(|l| l.name == name) {
            Some(l) => Ok(format!("{HEAD}{}", row(l))),
            None => Err(format!("--list-keywords={name}: no such keyword")),
        },
    }
}

fn protocols() -> String {
    let mut names: Vec<&str> = PROTOCOLS.iter().map(|p| p.name).collect();
    names.sort_unstable();
    names.iter().map(|n| format!("{n}\n")).collect()
}

/// The hooks that every protocol has.
const EVERYWHERE: [&str; 4] =
    ["request_started", "request_complete", "response_started", "response_complete"];

fn hooks() -> String {
    let mut lines: Vec<String> = Vec::new();
    for p in PROTOCOLS.iter().filter(|p| p.is_parsed()) {
        let own = p.states.iter().flat_map(|s| s.1.iter().copied());
        let more = own.filter(|s| !EVERYWHERE.contains(s));
        lines.extend(EVERYWHERE.into_iter().chain(more).map(|s| format!("{}:{s}\n", p.name)));
    }
    lines.sort();
    lines.dedup();
    lines.concat()
}

fn build_info() -> String {
    let yes = |on: bool| if on { "yes" } else { "no" };
    let isa = tidegate_core::sig::instruction_set().map_or_else(|e| e.to_string(), |i| i.to_string());
    format!(
        "tidegate {}\n\
         target              {}-{}\n\
         profile             {}\n\
         instruction set     {isa}\n\
         rule language       Suricata 8\n\
         link types          {}\n\
         compressed captures gzip, Zstandard, LZ4\n\
         interfaces          {}\n\
         DPDK                {}\n\
         orders over TLS     {}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
        if cfg!(debug_assertions) { "development" } else { "optimised" },
        known_links(),
        if cfg!(target_os = "linux") { "AF_PACKET" } else { "no" },
        yes(cfg!(feature = "dpdk")),
        yes(cfg!(feature = "tls")),
    )
}

/// Settings, rules, bytes for an engine, tables of context.
type Prepared = (Settings, Loaded, u64, Option<Arc<Context>>);

/// Everything that would be read before the first packet, as `args` say.
fn prepare(args: &RunArgs, analyse: bool) -> Result<Prepared, String> {
    let ips = args.simulate_ips || !args.live.inline.is_empty();
    let over = Overrides { set: &args.set, ips };
    let mut settings = Settings::load(run::config_file(args), &over).map_err(|e| e.to_string())?;
    settings.policy = args.policy.clone().or(settings.policy);
    settings.intel.extend(args.intel.iter().cloned());
    settings.keys.files.extend(args.tls_keys.iter().cloned());
    settings.keys.live = args.read.is_none();
    settings.analyse = analyse;
    let context = super::context::tables(&mut settings, &args.context, crate::secret::CAPTURES)?;
    let memory = super::memory::parse(&args.memory, u64::from(args.live.workers).max(1))?;
    super::settings_without_effect(&settings, Some(memory), args.strict)?;
    super::outputs_apart(args, &settings)?;
    super::input::filter(args)?;
    let loaded = load::load(&rule_files(args, &settings)?, &settings, args.data_dir.as_deref())?;
    super::notes(&loaded, args.strict)?;
    tell_refusals(&loaded, args);
    Ok((settings, loaded, memory, context))
}

/// Whether a run would use all that it is given.
fn test(args: &RunArgs) -> Result<String, String> {
    let (s, l, memory, context) = prepare(args, false)?;
    ready::check(args, &s, memory, context.as_deref())?;
    let lists: Vec<PathBuf> = s.block_lists.iter().chain(&args.live.block_list).cloned().collect();
    BlockList::load(&lists).map_err(|e| e.to_string())?;
    if let Some(file) = &args.live.response {
        let setup = Setup::load(file)?;
        setup.effects(args.simulate_ips || !args.live.inline.is_empty())?;
        setup.address().map_or(Ok(()), ready::can_listen)?;
    }
    let wrong_keys = ready::keys(args, &s)?;
    wrong_keys.iter().for_each(|c| eprintln!("{c}"));
    let lines = l.notes.len() + wrong_keys.len();
    let mut wrong = Vec::new();
    if !l.refused.is_empty() {
        wrong.push(format!("{} of {} rules were refused", l.refused.len(), l.loaded + l.refused.len()));
    }
    if lines > 0 {
        let (noun, verb) = if lines == 1 { ("thing", "is") } else { ("things", "are") };
        wrong.push(format!("{lines} {noun} in lists and limits {verb} done without"));
    }
    if !wrong.is_empty() {
        return Err(wrong.join(", and "));
    }
    if args.quiet {
        return Ok(String::new());
    }
    Ok(format!("configuration and rules are right: {} rules loaded, {} skipped\n", l.loaded, l.skipped))
}

fn analysis(args: &RunArgs) -> Result<String, String> {
    let (_, l, ..) = prepare(args, true)?;
    let mut t = String::new();
    // Writing to a String cannot fail.
    let _ = write_analysis(&mut t, &l);
    Ok(t)
}

fn write_analysis(t: &mut String, l: &Loaded) -> std::fmt::Result {
    for (meta, fast) in l.rules.set.fast_patterns() {
        let file = l.sources.get(meta.file as usize).map_or("?".into(), |p| p.display().to_string());
        writeln!(t, "{}:{} sid {} rev {}: {}", file, meta.line, meta.sid, meta.rev, meta.msg)?;
        if let Some(a) = l.analysis.iter().find(|a| a.id == meta.id()) {
            writeln!(t, "  action        {}", a.action)?;
            writeln!(t, "  protocols     {}", a.protocols)?;
            for b in &a.buffers {
                writeln!(t, "  buffer        {b}")?;
            }
            for o in &a.others {
                writeln!(t, "  also          {o}")?;
            }
        }
        match fast {
            Some(f) => writeln!(t, "  fast pattern  {}", super::rules::pattern(f))?,
            None => writeln!(
                t,
                "  fast pattern  none: the rule is asked of everything its header and flow let through"
            )?,
        }
        for w in l.warnings.iter().filter(|w| (w.file, w.line) == (meta.file, meta.line)) {
            writeln!(t, "  warning       {}", w.text)?;
        }
    }
    for r in &l.refused {
        writeln!(t, "{}\n  refused", l.place(r))?;
    }
    writeln!(t, "{} rules loaded, {} refused, {} skipped", l.loaded, l.refused.len(), l.skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let all = keywords("").unwrap();
        assert!(all.lines().any(|l| l == "content") && all.lines().any(|l| l == "http.uri"));
        let csv = keywords("csv").unwrap();
        assert_eq!(csv.lines().count(), all.lines().count() + 1);
        assert!(csv.lines().all(|l| l.split(';').count() == 3));
        assert_eq!(keywords("nocase").unwrap(), "name;app layer;features\nnocase;;keyword, no option\n");
        assert!(keywords("nonsense").is_err());
        assert!(
            protocols().lines().any(|l| l == "tls") && hooks().lines().any(|l| l == "tls:client_hello_done")
        );
    }

    #[test]
    fn names_are_options() {
        use clap::CommandFactory;
        let cli = crate::cmd::Cli::command();
        let run = cli.find_subcommand("run").unwrap();
        NAMES.iter().for_each(|n| assert!(run.get_arguments().any(|a| a.get_id() == n), "{n}"));
    }
}
