extern crate std;
use alloc::vec;
use std::string::ToString;

use super::*;

fn intel() -> Config {
    Config {
        threads: 2,
        ..Config::new(Vendor::Intel, 0x0005_0654, 4)
    }
}

#[test]
fn what_contradicts_itself_is_refused_and_says_where() {
    let error = |change: fn(&mut Config)| {
        let mut config = intel();
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    let core = |id| CoreConfig {
        id,
        signature: None,
        platform_id: None,
        revision: None,
    };
    assert_eq!(intel().check(), Ok(()));
    assert_eq!(error(|c| c.cpus = 0), "cpus = 0: give 1 to 4096");
    assert!(error(|c| c.threads = 3).contains("threads = 3"));
    assert!(error(|c| c.threads = 0).contains("threads = 0"));
    assert!(error(|c| c.platform_id = 8).contains("platform_id = 8"));
    let mut twice = intel();
    twice.core = vec![core(1), core(0), core(1)];
    assert_eq!(twice.check(), Err(ConfigError::CoreTwice(1)));
    twice.core = vec![core(2)];
    assert_eq!(twice.check(), Err(ConfigError::NoCore { id: 2, last: 1 }));
    let mut changed = intel();
    changed.feature = vec!["leaf=0x7,register=edx,set=0x3,clear=0x2".parse().unwrap()];
    let error = changed.check().unwrap_err().to_string();
    assert!(error.starts_with("[[feature]] number 1: set and clear"));
    let amd = Config {
        late_load: LateLoad::Disabled,
        ..Config::new(Vendor::Amd, 0x0080_0f12, 1)
    };
    assert_eq!(amd.check(), Err(ConfigError::LateLoad));
}

#[cfg(feature = "serde")]
mod file {
    use super::*;

    #[test]
    fn a_file_needs_vendor_signature_and_cpus_and_nothing_unknown() {
        let least = "vendor = \"amd\"\nsignature = 0x00800f12\ncpus = 2\n";
        let config: Config = toml::from_str(least).unwrap();
        assert_eq!(config, Config::new(Vendor::Amd, 0x0080_0f12, 2));
        for line in [
            "colour = 1",
            "[cost]\nload = 1",
            "[[core]]\nid = 0\nx = 1",
            "vendor = \"via\"",
        ] {
            let text = std::format!("{least}{line}");
            assert!(toml::from_str::<Config>(&text).is_err(), "{line}");
        }
    }

    #[test]
    fn a_configuration_is_read_as_it_is_written() {
        let mut config = intel();
        config.core = vec![CoreConfig {
            id: 1,
            signature: Some(0x0005_0657),
            platform_id: Some(3),
            revision: Some(9),
        }];
        config.feature = vec![Feature {
            leaf: 7,
            subleaf: 0,
            register: crate::CpuidRegister::Edx,
            set: 0x400,
            clear: 0x800,
            from: Some(9),
        }];
        config.fault = vec![Fault {
            at: crate::Where::Cpu(3),
            kind: crate::FaultKind::Slow { us: 5 },
            load: Some(2),
        }];
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config, "{text}");
    }
}
