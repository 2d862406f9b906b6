//! What the guest is asked to do wrong, so that it can be seen noticed.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Something that is made to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Fault {
    /// The CPU is up and never calls in.
    NeverArrives(u32),
    /// The CPU calls in so many µs after it was called.
    Late {
        /// Which.
        cpu: u32,
        /// How much.
        us: u32,
    },
    /// The CPU does not come up; the kernel is told to take it for dead.
    Dead(u32),
    /// The CPU's write goes to a register that faults.
    GpFault(u32),
    /// The CPU allocates and prints while others are stopped.
    Unquiet(u32),
    /// CPUs that wait send this one NMIs while its core loads.
    NmiStorm(u32),
    /// CPUs that wait for another one execute CPUID meanwhile, which a sibling of
    /// one that loads must not.
    Disturb,
    /// The application panics.
    Panic,
    /// The application takes an exception that nothing handles.
    Exception,
    /// The application never ends.
    Hang,
}

/// Why a fault cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No such kind.
    #[error(
        "there is no fault {0:?}: give never-arrives:CPU, late:CPU:US, gp-fault:CPU, unquiet:CPU, \
         dead:CPU, nmi-storm:CPU, disturb, panic, exception or hang"
    )]
    Kind(String),
    /// The kind needs a CPU.
    #[error("the fault {0} needs a CPU: give {0}:CPU, such as {0}:1")]
    NoCpu(&'static str),
    /// The CPU is no number.
    #[error("{0:?} in the fault is no CPU: give its number")]
    Cpu(String),
    /// The delay is missing or no number.
    #[error("{0:?} is no delay: give late:CPU:US, such as late:1:50000")]
    Delay(String),
    /// The kind concerns the whole guest.
    #[error("the fault {0} concerns no CPU: leave the number out")]
    NotOfCpu(&'static str),
    /// The machine has no such CPU.
    #[error("the fault {fault} names a CPU that is not there at boot: there are 0 to {last}")]
    Beyond {
        /// The fault.
        fault: Fault,
        /// The last CPU's number.
        last: u32,
    },
    /// No such number of CPUs can be started at boot.
    #[error("online = {given}: the machine has {last} CPUs, so give 1 to {last}")]
    Online {
        /// What was given.
        given: u32,
        /// How many there are.
        last: u32,
    },
    /// No such CPU can be soft-offline.
    #[error(
        "offline = {cpu}: of the CPUs that are started at boot, {} can be soft-offline",
        all_but_the_first(*.last)
    )]
    Offline {
        /// What was given.
        cpu: u32,
        /// The last that there is.
        last: u32,
    },
    /// A handler of NMIs can neither allocate nor print.
    #[error("the fault {0} cannot be had in a rendezvous by NMI: take nmi hold or off")]
    InNmi(Fault),
    /// The application pulls one lever at most.
    #[error("the faults {0} and {1} cannot be had together: only dead:CPU goes with another")]
    Together(Fault, Fault),
    /// The boot CPU cannot be dead.
    #[error("the fault {0} would leave nobody to boot: give a CPU from 1 on")]
    BootCpu(Fault),
}

/// The CPUs from 1 on, in words.
fn all_but_the_first(last: u32) -> String {
    match last {
        0 => "none".to_owned(),
        1 => "CPU 1 alone".to_owned(),
        _ => format!("1 to {last}"),
    }
}

impl Fault {
    const fn kind(self) -> &'static str {
        match self {
            Self::NeverArrives(_) => "never-arrives",
            Self::Late { .. } => "late",
            Self::Dead(_) => "dead",
            Self::GpFault(_) => "gp-fault",
            Self::Unquiet(_) => "unquiet",
            Self::NmiStorm(_) => "nmi-storm",
            Self::Disturb => "disturb",
            Self::Panic => "panic",
            Self::Exception => "exception",
            Self::Hang => "hang",
        }
    }

    const fn cpu(self) -> Option<u32> {
        match self {
            Self::NeverArrives(cpu)
            | Self::Late { cpu, .. }
            | Self::Dead(cpu)
            | Self::GpFault(cpu)
            | Self::NmiStorm(cpu)
            | Self::Unquiet(cpu) => Some(cpu),
            Self::Disturb | Self::Panic | Self::Exception | Self::Hang => None,
        }
    }

    /// Whether a machine of `nr_cpus` CPUs can have this fault.
    pub(super) fn check(self, nr_cpus: u32) -> Result<(), FaultError> {
        match self.cpu() {
            Some(cpu) if cpu >= nr_cpus => Err(FaultError::Beyond {
                fault: self,
                last: nr_cpus.saturating_sub(1),
            }),
            Some(0) if matches!(self, Self::Dead(_)) => Err(FaultError::BootCpu(self)),
            _ => Ok(()),
        }
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, cpu) = match text.split_once(':') {
            Some((kind, cpu)) => (kind, Some(cpu)),
            None => (text, None),
        };
        let of_cpu = |fault: fn(u32) -> Self| {
            let cpu = cpu.ok_or(FaultError::NoCpu(fault(0).kind()))?;
            cpu.parse()
                .map(fault)
                .map_err(|_| FaultError::Cpu(cpu.to_owned()))
        };
        let of_all = |fault: Self| match cpu {
            None => Ok(fault),
            Some(_) => Err(FaultError::NotOfCpu(fault.kind())),
        };
        match kind {
            "never-arrives" => of_cpu(Self::NeverArrives),
            "late" => {
                let (cpu, us) = cpu.unwrap_or_default().split_once(':').unwrap_or_default();
                let bad = || FaultError::Delay(text.to_owned());
                Ok(Self::Late {
                    cpu: cpu.parse().map_err(|_| bad())?,
                    us: us.parse().map_err(|_| bad())?,
                })
            }
            "dead" => of_cpu(Self::Dead),
            "gp-fault" => of_cpu(Self::GpFault),
            "unquiet" => of_cpu(Self::Unquiet),
            "nmi-storm" => of_cpu(Self::NmiStorm),
            "disturb" => of_all(Self::Disturb),
            "panic" => of_all(Self::Panic),
            "exception" => of_all(Self::Exception),
            "hang" => of_all(Self::Hang),
            _ => Err(FaultError::Kind(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Fault {
    type Error = FaultError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        self.cpu().map_or(Ok(()), |cpu| write!(f, ":{cpu}"))?;
        match self {
            Self::Late { us, .. } => write!(f, ":{us}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fault_that_cannot_be_had_is_refused_with_the_reason() {
        let error = |text: &str| text.parse::<Fault>().unwrap_err();
        assert_eq!(error("dead"), FaultError::NoCpu("dead"));
        assert_eq!(error("dead:x"), FaultError::Cpu("x".to_owned()));
        assert_eq!(error("panic:1"), FaultError::NotOfCpu("panic"));
        assert_eq!(error("fire:1"), FaultError::Kind("fire:1".to_owned()));
        for text in ["late", "late:1", "late:1:x", "late:x:1"] {
            assert_eq!(error(text), FaultError::Delay(text.to_owned()));
        }
        assert!(Fault::Late { cpu: 4, us: 1 }.check(4).is_err());
        assert!(Fault::Dead(0).check(4).is_err());
        assert!(Fault::NeverArrives(4).check(4).is_err());
        assert!(Fault::NeverArrives(0).check(4).is_ok());
        assert!(Fault::Panic.check(1).is_ok());
    }

    proptest! {
        #[test]
        fn a_fault_is_read_as_it_is_written(text in "[a-z-]{1,14}(:[0-9]{1,4}){0,2}") {
            if let Ok(fault) = text.parse::<Fault>() {
                prop_assert_eq!(fault.to_string().parse(), Ok(fault));
            }
        }
    }
}
