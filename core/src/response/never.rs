//! The allow list: what nobody may block. What is on it goes in; whether a target touches it comes out. [`super::Blocks`] asks
//! it about each block, so that no order, playbook, state file or caller gets around it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::target::{Net, Target, domain};
use crate::policy::Glob;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Never {
    nets: Vec<Net>,
    domains: Vec<String>,
    models: Vec<Glob>,
    tools: Vec<Glob>,
}

/// Whether `name` is `of` or one of its subdomains. Both are as [`Target::Domain`] has them.
pub(super) fn is_within(name: &[u8], of: &[u8]) -> bool {
    name.strip_suffix(of).is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
}

impl Never {
    pub fn is_empty(&self) -> bool {
        self.nets.is_empty() && self.domains.is_empty() && self.models.is_empty() && self.tools.is_empty()
    }

    /// Entries there are.
    pub fn len(&self) -> usize {
        self.nets.len() + self.domains.len() + self.models.len() + self.tools.len()
    }

    /// Adds an address or a network.
    ///
    /// # Errors
    /// What was expected.
    pub fn address(&mut self, text: &str) -> Result<(), String> {
        self.nets.push(Net::parse(text.trim())?);
        Ok(())
    }

    /// Adds a domain with its subdomains.
    ///
    /// # Errors
    /// What was expected.
    pub fn domain(&mut self, text: &str) -> Result<(), String> {
        self.domains.push(domain(text)?);
        Ok(())
    }

    /// Adds names of models (`*` stands for any characters).
    ///
    /// # Errors
    /// What was expected.
    pub fn model(&mut self, text: &str) -> Result<(), String> {
        self.models.push(glob(text)?);
        Ok(())
    }

    /// Adds names of tools (`*` stands for any characters).
    ///
    /// # Errors
    /// What was expected.
    pub fn tool(&mut self, text: &str) -> Result<(), String> {
        self.tools.push(glob(text)?);
        Ok(())
    }

    /// The entry for which `target` may not be blocked. A network is refused when it covers one address that is listed, a domain
    /// when a listed one is below or above it, a flow when an end is listed.
    pub fn forbids(&self, target: &Target) -> Option<String> {
        let net = |n: &Net| self.nets.iter().find(|a| a.meets(n)).map(ToString::to_string);
        let named =
            |all: &[Glob], name: &str| all.iter().find(|g| g.fits(name.as_bytes())).map(ToString::to_string);
        match target {
            Target::Net(n) => net(n),
            Target::Flow(t) => t.ends.iter().find_map(|(n, _)| net(n)),
            Target::Domain(d) => {
                let d = d.as_bytes();
                let near = |n: &&String| is_within(n.as_bytes(), d) || is_within(d, n.as_bytes());
                self.domains.iter().find(near).cloned()
            }
            Target::Model(m) => named(&self.models, m),
            Target::Tool(t) => named(&self.tools, t),
        }
    }
}

fn glob(text: &str) -> Result<Glob, String> {
    Glob::new(text.trim()).ok_or_else(|| format!("`{text}` is not a name of 1 to 256 bytes"))
}
