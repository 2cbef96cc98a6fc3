//! Large pages for tables and pools, asked for before anything is allocated.
//!
//! Rules and flows are read at random places of some hundred megabytes; with pages of 4 KiB much of the time goes into
//! finding them (on the mix with the open rules about 12 %). The C library gives memory that the kernel may put on
//! large pages, but decides so once, when the process begins, from `GLIBC_TUNABLES` (glibc manual, "Memory Allocation
//! Tunables", `glibc.malloc.hugetlb`). So the command begins anew with that set. It holds more memory then, as what is
//! touched is touched in larger pieces. `TIDEGATE_LARGE_PAGES=no` leaves everything as it is; so does a
//! `GLIBC_TUNABLES` that speaks of it already, another C library, and a kernel without them.

/// Starts this command again with large pages allowed; returns when that is not to be, or cannot be.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn allow() {
    use std::env;
    use std::os::unix::process::CommandExt;

    const NAME: &str = "GLIBC_TUNABLES";
    const TUNABLE: &str = "glibc.malloc.hugetlb";
    let set = env::var(NAME).unwrap_or_default();
    if set.contains(TUNABLE) {
        return;
    }
    match env::var("TIDEGATE_LARGE_PAGES").as_deref() {
        Ok("no") => return,
        Ok("" | "yes") | Err(env::VarError::NotPresent) => {}
        _ => eprintln!("TIDEGATE_LARGE_PAGES: neither yes nor no; taken for yes"),
    }
    let mut args = env::args_os();
    let (Some(name), Ok(program)) = (args.next(), env::current_exe()) else { return };
    let value = if set.is_empty() { format!("{TUNABLE}=1") } else { format!("{set}:{TUNABLE}=1") };
    // It only comes back when it failed, and then all goes on without.
    let _failed = std::process::Command::new(program).arg0(name).args(args).env(NAME, value).exec();
}

/// Nothing to ask for here.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn allow() {}
