//! A scenario's CPU that is this machine's: what else of it is taken over.

use std::borrow::Cow;

use engine::LateLoad;
use microcode::Vendor;

use super::Scenario;
use crate::machine::Cpu;
use crate::machine::host::host;

impl Scenario {
    /// The same with what this machine's CPU has where the scenario says nothing,
    /// if that is its CPU: revision, platform id, and whether loading is switched
    /// off.
    #[must_use]
    pub fn with_host(&self) -> Cow<'_, Self> {
        let own = (self.machine.cpu == Cpu::Host && self.takes_updates()).then(host);
        let Some(Ok(host)) = own else {
            return Cow::Borrowed(self);
        };
        let mut scenario = self.clone();
        let machine = &mut scenario.machine;
        machine.revision.get_or_insert(host.cpu.revision);
        if host.cpu.vendor == Vendor::Intel {
            machine
                .model
                .platform_id
                .get_or_insert(host.cpu.platform_id);
        }
        if host.cpu.loading_disabled {
            machine.model.late_load = LateLoad::Disabled;
        }
        Cow::Owned(scenario)
    }
}
