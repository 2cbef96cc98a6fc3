//! Names of procedures and statuses (RFC 1094 2.2, RFC 1813 3.3, RFC 7530 13 and 16), as records show them.

const TWO: [&str; 18] = [
    "NULL",
    "GETATTR",
    "SETATTR",
    "ROOT",
    "LOOKUP",
    "READLINK",
    "READ",
    "WRITECACHE",
    "WRITE",
    "CREATE",
    "REMOVE",
    "RENAME",
    "LINK",
    "SYMLINK",
    "MKDIR",
    "RMDIR",
    "READDIR",
    "STATFS",
];

const THREE: [&str; 22] = [
    "NULL",
    "GETATTR",
    "SETATTR",
    "LOOKUP",
    "ACCESS",
    "READLINK",
    "READ",
    "WRITE",
    "CREATE",
    "MKDIR",
    "SYMLINK",
    "MKNOD",
    "REMOVE",
    "RMDIR",
    "RENAME",
    "LINK",
    "READDIR",
    "READDIRPLUS",
    "FSSTAT",
    "FSINFO",
    "PATHCONF",
    "COMMIT",
];

/// Operations of version 4 from 3 on.
const FOUR: [&str; 37] = [
    "ACCESS",
    "CLOSE",
    "COMMIT",
    "CREATE",
    "DELEGPURGE",
    "DELEGRETURN",
    "GETATTR",
    "GETFH",
    "LINK",
    "LOCK",
    "LOCKT",
    "LOCKU",
    "LOOKUP",
    "LOOKUPP",
    "NVERIFY",
    "OPEN",
    "OPENATTR",
    "OPEN_CONFIRM",
    "OPEN_DOWNGRADE",
    "PUTFH",
    "PUTPUBFH",
    "PUTROOTFH",
    "READ",
    "READDIR",
    "READLINK",
    "REMOVE",
    "RENAME",
    "RENEW",
    "RESTOREFH",
    "SAVEFH",
    "SECINFO",
    "SETATTR",
    "SETCLIENTID",
    "SETCLIENTID_CONFIRM",
    "VERIFY",
    "WRITE",
    "RELEASE_LOCKOWNER",
];

pub(super) fn procedure(version: u32, n: u32) -> Option<&'static str> {
    let n = n as usize;
    match version {
        2 => TWO.get(n).copied(),
        3 => THREE.get(n).copied(),
        _ => FOUR.get(n.checked_sub(3)?).copied(),
    }
}

const STATUSES: &[(u32, &str)] = &[
    (0, "OK"),
    (1, "ERR_PERM"),
    (2, "ERR_NOENT"),
    (5, "ERR_IO"),
    (6, "ERR_NXIO"),
    (13, "ERR_ACCESS"),
    (17, "ERR_EXIST"),
    (18, "ERR_XDEV"),
    (19, "ERR_NODEV"),
    (20, "ERR_NOTDIR"),
    (21, "ERR_ISDIR"),
    (22, "ERR_INVAL"),
    (27, "ERR_FBIG"),
    (28, "ERR_NOSPC"),
    (30, "ERR_ROFS"),
    (31, "ERR_MLINK"),
    (63, "ERR_NAMETOOLONG"),
    (66, "ERR_NOTEMPTY"),
    (69, "ERR_DQUOT"),
    (70, "ERR_STALE"),
    (71, "ERR_REMOTE"),
    (99, "ERR_WFLUSH"),
    (10001, "ERR_BADHANDLE"),
    (10002, "ERR_NOT_SYNC"),
    (10003, "ERR_BAD_COOKIE"),
    (10004, "ERR_NOTSUPP"),
    (10005, "ERR_TOOSMALL"),
    (10006, "ERR_SERVERFAULT"),
    (10007, "ERR_BADTYPE"),
    (10008, "ERR_JUKEBOX"),
];

pub(super) fn status(n: u32) -> Option<&'static str> {
    STATUSES.iter().find(|s| s.0 == n).map(|s| s.1)
}

/// Kinds of credentials (RFC 5531 8.2, RFC 2203).
pub(super) fn flavor(n: u32) -> Option<&'static str> {
    const ALL: [&str; 7] = ["NULL", "UNIX", "SHORT", "DES", "KERB", "RSA", "RPCSEC_GSS"];
    ALL.get(n as usize).copied()
}
