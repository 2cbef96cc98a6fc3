//! Rules that ship: `builtin:ai`, by family.

/// Each file's name and text.
pub const ALL: &[(&str, &str)] = &[
    ("artifacts.rules", include_str!("../../rules/ai/artifacts.rules")),
    ("redis.rules", include_str!("../../rules/ai/redis.rules")),
    ("exposure.rules", include_str!("../../rules/ai/exposure.rules")),
    ("fabric.rules", include_str!("../../rules/ai/fabric.rules")),
    ("injection.rules", include_str!("../../rules/ai/injection.rules")),
    ("leaks.rules", include_str!("../../rules/ai/leaks.rules")),
    ("tampering.rules", include_str!("../../rules/ai/tampering.rules")),
    ("tools.rules", include_str!("../../rules/ai/tools.rules")),
    ("use.rules", include_str!("../../rules/ai/use.rules")),
];
