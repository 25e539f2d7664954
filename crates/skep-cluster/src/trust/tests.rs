use proptest::prelude::*;
use skep_machine::DriverKind;
use skep_pki::{CaCertificates, Purpose};

use super::*;

/// Three roots, made once.
pub(crate) fn roots() -> &'static [CaCertificate] {
    static ROOTS: std::sync::OnceLock<Vec<CaCertificate>> = std::sync::OnceLock::new();
    ROOTS.get_or_init(|| {
        let texts = [A, B, C];
        let files = texts.iter().map(|text| ("root", text.as_bytes()));
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_000_000);
        CaCertificates::read(files, Purpose::Naming, now).unwrap().certificates
    })
}

fn record() -> ClusterRecord {
    let mut record = ClusterRecord::new("demo".parse().unwrap(), DriverKind::Container);
    for (place, name) in ["m1", "m2"].into_iter().enumerate() {
        record.machines.push(MachineRecord::new(name.parse().unwrap(), None, place, record.driver));
    }
    record
}

fn desired(record: &ClusterRecord, machine: usize) -> Vec<String> {
    let anchors = record.anchors_of(&record.machines[machine]);
    let mut names: Vec<_> = anchors
        .iter()
        .map(|anchor| {
            let place =
                roots().iter().position(|root| *root == anchor.certificate).unwrap_or_default();
            let registry = anchor.registry.as_ref().map(|registry| format!("@{registry}"));
            format!("{}{}", ["A", "B", "C"][place], registry.unwrap_or_default())
        })
        .collect();
    names.sort_unstable();
    names
}

fn name(root: usize, registry: Option<&Registry>) -> AnchorName {
    let fingerprint = roots()[root].fingerprint().to_owned();
    AnchorName { registry: registry.cloned(), fingerprint }
}

#[test]
fn one_machine_may_be_wished_more_or_less_than_all() {
    let mut record = record();
    let m1 = ["m1".parse().unwrap()];
    let registry: Registry = "reg:5000".parse().unwrap();
    record.add_anchors(&roots()[..2], None, Which::All);
    record.add_anchors(&roots()[2..], None, Which::These(&m1));
    record.add_anchors(&roots()[..1], Some(&registry), Which::All);
    assert_eq!(desired(&record, 0), ["A", "A@reg:5000", "B", "C"]);
    assert_eq!(desired(&record, 1), ["A", "A@reg:5000", "B"]);
    // The registry's goes alone, and from one machine only.
    record.remove_anchors(&[name(0, Some(&registry)), name(1, None)], Which::These(&m1));
    assert_eq!(desired(&record, 0), ["A", "C"]);
    assert_eq!(desired(&record, 1), ["A", "A@reg:5000", "B"]);
    // It is what a record keeps.
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<ClusterRecord>(&text).unwrap(), record);
    // For all is for all again.
    record.add_anchors(&roots()[1..], None, Which::All);
    assert_eq!(desired(&record, 0), ["A", "B", "C"]);
    assert!(record.machines[0].certificates.is_empty());
}

proptest! {
    /// Whatever changes, in whichever order: the last change of a certificate on a machine counts.
    #[test]
    fn the_last_word_counts(
        words in prop::collection::vec((any::<bool>(), 0usize..3, 0usize..3, any::<bool>()), 0..20)
    ) {
        let registry: Registry = "reg".parse().unwrap();
        let mut record = record();
        let mut model: [BTreeSet<String>; 2] = Default::default();
        for (add, root, which, for_registry) in words {
            let registry = for_registry.then_some(&registry);
            let label = format!("{}{}", ["A", "B", "C"][root], if for_registry { "@reg" } else { "" });
            let names: Vec<MachineName> =
                [vec!["m1", "m2"], vec!["m1"], vec!["m2"]][which].iter().map(|name| name.parse().unwrap()).collect();
            let meant = if which == 0 { Which::All } else { Which::These(&names) };
            if add {
                record.add_anchors(&roots()[root..=root], registry, meant);
            } else {
                record.remove_anchors(&[name(root, registry)], meant);
            }
            for (place, set) in model.iter_mut().enumerate() {
                if which == 0 || which == place + 1 {
                    if add { set.insert(label.clone()); } else { set.remove(&label); }
                }
            }
        }
        for (place, set) in model.iter().enumerate() {
            prop_assert_eq!(desired(&record, place), set.iter().cloned().collect::<Vec<_>>());
        }
    }
}

const A: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIDDjCCAfagAwIBAgIUQUEYpz4FVIjRjgzf7YCIwSPe1+YwDQYJKoZIhvcNAQEL\n\
    BQAwEDEOMAwGA1UEAwwFUm9vdEEwHhcNMjYxMTI3MDcyNDIwWhcNMzYxMTI0MDcy\n\
    NDIwWjAQMQ4wDAYDVQQDDAVSb290QTCCASIwDQYJKoZIhvcNAQEBBQADggEPADCC\n\
    AQoCggEBANYDfwUo2UvG713YlU4f7hpGrsS8et/bSPyzBea7BAkUQTWcWJluU+g7\n\
    kNUaIn5WfM1pCO+83NZ/EGc65g8or3+oNOqxMwvOo5mr1h/DsXHnHU6xNjpnGEg7\n\
    DJj/fXch8aZIhMhuPfdp0wfJkzzYI1fCorzwvFyXNi7cki3bpsMk2WNSgoSNHBSS\n\
    mWXYz6IbrmgF2ws05IH3bGEF3DpA2yCBqUgYu+traGPNzTVhrzPtGCcP8hUX3MqP\n\
    ul6I6TGPweAjPaCIkE9IcEGTVhEF7fxvCVSA40GqRJChaI+4OPS9z4OI6EIg5Rt/\n\
    WifS+zM4apqSV0CP0Ipk9k3nw4l4CCMCAwEAAaNgMF4wHQYDVR0OBBYEFJmZNcli\n\
    JuLF3U2Awt2x6Hm2GON2MB8GA1UdIwQYMBaAFJmZNcliJuLF3U2Awt2x6Hm2GON2\n\
    MA8GA1UdEwEB/wQFMAMBAf8wCwYDVR0PBAQDAgEGMA0GCSqGSIb3DQEBCwUAA4IB\n\
    AQA064R9PwNKBV/UJuMubjYaM8xA6RBtYYC36l2SoMahcTZzYe26h5dHVygA0y3R\n\
    PhXejficbx0BomsmJJkKjH5QxV9cTzaqlO4SjQxA2kkJuAyuIK8cgm8jlHWiMwFn\n\
    MseOYueZyd3OjoXFu8VUVQAffAHgBccwXL9JXLpgfZQk6sVpOPs5+mHffgLOZKXa\n\
    zcFnJ/HkzGblBVx2rXX34DQaDNTEE7Qzs9UtTRN49EbCFRAB+FGsNa5ofgBs/Kx4\n\
    nPKgA+8TuGYKZx+u0DHwFe3B0y+7g5IzKaRuo+kxqNDui/e70ECTkD7N5oPZ8H3S\n\
    BlfQkoC8XBdkWWvs8jA0Xlrh\n\
    -----END CERTIFICATE-----";

const B: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIDDjCCAfagAwIBAgIUE75p7IkyH4zMPrwNvzH/QJdmPZwwDQYJKoZIhvcNAQEL\n\
    BQAwEDEOMAwGA1UEAwwFUm9vdEIwHhcNMjYxMTI3MDcyNDIxWhcNMzYxMTI0MDcy\n\
    NDIxWjAQMQ4wDAYDVQQDDAVSb290QjCCASIwDQYJKoZIhvcNAQEBBQADggEPADCC\n\
    AQoCggEBAL9lc8wrV0LHLHyqFF+4yZ7V7FwZEcmFwtgu/lbokjcu7rtOgD0bPHhG\n\
    R9LRo4FLF2U2+1Aq+Rp4oTgs0H4iOqEeoyL3vVnFsADiw0S8bHizDv6y/zfGUC4/\n\
    Gi1BeqGGxoJMahSjH4zMp9mJx+q4ZHdXmN+r3iraAbrROnWUVY2sncdg6fpKXssj\n\
    iWlzUz133wWojojW58zRjX9+dQ1fJX9MlZdm/sbIekvYdHGqCpkcW3txlDg7tEfB\n\
    Xw7kZLC+AfaYXGqAbQhDre9a9e/9orhn/NPAHMbjTeCri1IFuoN1rwZs/qgvkSC5\n\
    YFaSb6ioiIZn5I1W2D6PqTYtn2JGKzMCAwEAAaNgMF4wHQYDVR0OBBYEFGKWhn38\n\
    EinGLQn44M0xZdDGAFFMMB8GA1UdIwQYMBaAFGKWhn38EinGLQn44M0xZdDGAFFM\n\
    MA8GA1UdEwEB/wQFMAMBAf8wCwYDVR0PBAQDAgEGMA0GCSqGSIb3DQEBCwUAA4IB\n\
    AQBeJlmrpHVBErajnVKgI+344ltVvjbvl+AifVEParJ8P6Q3L1OSm95T0zeUUcDs\n\
    2TTm2VTH3D6nCK5F3+CZp5qPZ4IjLdfiPIO621+clQfb69t+osURTu0Py2ZzyOzC\n\
    gLQO7qMbsVEHL9zNdASYPxf0YB+DeT+PRESqHYxMy6+D2nzte94S5FGOPmPkvCu0\n\
    igSg2A+aFx/HBs1WLM6LXQw9ZIdgieYIiVTZYb4wjWxAYGsXVfMVNnOVvwq7joua\n\
    0jUUo9EN4IY30BNri/Mkg9Hpr4MfLOrQCCe8TzULit03D4EXSmo6eapwNk5G/DMk\n\
    6YVFzLrYaFNDQNs7q9du63y8\n\
    -----END CERTIFICATE-----";

const C: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIDDjCCAfagAwIBAgIUOV//9OwgXPtq7MpguTSyBJcMbsUwDQYJKoZIhvcNAQEL\n\
    BQAwEDEOMAwGA1UEAwwFUm9vdEMwHhcNMjYxMTI3MDcyNDIxWhcNMzYxMTI0MDcy\n\
    NDIxWjAQMQ4wDAYDVQQDDAVSb290QzCCASIwDQYJKoZIhvcNAQEBBQADggEPADCC\n\
    AQoCggEBAKhcwnBpnio4dyz5Mcmtr1a/6dJmKbd3gdTVYk49O1qEFEL7XLNuQARd\n\
    MEk7mgvcy/qSsXin7MHTtbMsDn8JpbTNVF+MfMWwQqRxbsN9CGNqqRKrYhQ6B02N\n\
    iOQWUb+9NUQN5q80urhCeL+7Xpc7JDp5ATJEK/bixpGCjoNdqLxfD2LYe1DJXyZj\n\
    rHq90A4UZC2/t6Batg2aOzQzfS/RGWKVNq5WIkIERgSvfCguB3M/wyufF3NU7/zu\n\
    ro94XlthXT5KbOVS70DKVLPgc6ZmIzZe0T1yJRv/hY+2+Z8TYnXvbWRZY3NoooGM\n\
    ymAp1nP6Rce+68fnZN79De7v5AK21qcCAwEAAaNgMF4wHQYDVR0OBBYEFGPBTsLi\n\
    KifKCbH01TkH/vozk/HeMB8GA1UdIwQYMBaAFGPBTsLiKifKCbH01TkH/vozk/He\n\
    MA8GA1UdEwEB/wQFMAMBAf8wCwYDVR0PBAQDAgEGMA0GCSqGSIb3DQEBCwUAA4IB\n\
    AQCDIgtm3cR1cv3g3FRRFtbwXLQfc5m0d9zTAXIjqNPtWoLL/YUfPiXY89QarNxq\n\
    HE320KUMo9s/a5VAk6ZDtN6hYlOoofo41SrNy3T/G0ZvZtB7rVOOnhWRmtZ+kg19\n\
    DkK/kUYxhxVMSngUI0cwuLJojOhR/r/Jaifp+p5CF7CcEFpwIuhG6H0UmI25/oem\n\
    4t9a5AaBQmKDGHbmKTFkwoNStFWPZT1Q87NpTbEW2RXkW4V1NJqvisBsWevK3xqy\n\
    ZMvNBQl1kqGUEIkyxHGne6ybkElaLPi6JIXIQEKuxuece8vmrhAoZqjlfUakn1lw\n\
    kjOkAQf79+mXB2VSVkIH7TKR\n\
    -----END CERTIFICATE-----";
