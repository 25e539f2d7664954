//! What is taken as a CA certificate, and what is said of everything else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use skep_pki::{
    Anchor, AnchorName, CaCertificate, CaCertificates, CertificateError, MAX_FILE, Purpose,
    is_file_name_of,
};

/// A root of version 1, valid from 2026 to 2126, as tools of the nineties made them.
const VERSION_1: &str = "-----BEGIN CERTIFICATE-----
MIIBITCByQIUXKRJnwLBOjAhc5uVwG6SGTL6nowwCgYIKoZIzj0EAwIwEzERMA8G
A1UEAwwIT2xkIFJvb3QwIBcNMjYxMTIyMTczNTMzWhgPMjEyNjEwMjkxNzM1MzNa
MBMxETAPBgNVBAMMCE9sZCBSb290MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
AIjRaTKzvlN5TBy3dp9EJ2pW0tV2UfNiR/sbf8iLa1OYtCvmdsAz6BWHc1VETlUp
0Ny/TfjuIupFCzUfB0nfGDAKBggqhkjOPQQDAgNHADBEAiAeXTSiXZpRY0m4fcIK
EE6EIXCWK392c7ixMGlX80UVEQIgPBSftfoRzuJJVqGGK2sTvRtNtfT79eOJGs5T
jGDU5Xo=
-----END CERTIFICATE-----
";

/// 2030-01-01 00:00 UTC.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_893_456_000)
}

fn read(files: &[(&str, &[u8])]) -> Result<CaCertificates, Vec<CertificateError>> {
    CaCertificates::read(files.iter().copied(), Purpose::System, now())
}

/// The lines that are said of a file that is refused.
#[track_caller]
fn refusal(name: &str, content: &[u8]) -> String {
    let errors = read(&[(name, content)]).unwrap_err();
    errors.iter().map(|error| format!("{error}\n")).collect()
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

fn ca(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn self_signed(params: &CertificateParams) -> rcgen::Certificate {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap()
}

fn pem(params: &CertificateParams) -> String {
    self_signed(params).pem()
}

#[test]
fn pem_bundles_and_der_give_the_same_certificates() {
    let (one, two) = (self_signed(&ca("One")), self_signed(&ca("Two")));
    let bundle =
        format!("# One\n{}\nsome text\n{}# end\n", one.pem(), two.pem()).replace('\n', "\r\n");
    let from_bundle = read(&[("bundle.pem", bundle.as_bytes())]).unwrap();
    let from_der = read(&[("one.der", one.der()), ("two.cer", two.der())]).unwrap();
    assert_eq!(from_bundle, from_der);
    assert!(from_bundle.notes.is_empty());
    let first = &from_bundle.certificates[0];
    assert_eq!(first.subject(), "CN=One");
    assert_eq!(first.der(), one.der().as_ref());
    assert!(first.is_root());
    assert_eq!(first.expiry(), "2040-01-01 00:00 UTC");
    assert_eq!(first.file_name(), format!("skep-{}.crt", &first.fingerprint()[..16]));
    let stored = CaCertificate::from_pem(first.pem()).unwrap();
    assert_eq!(stored, from_bundle.certificates[0]);
}

/// What records keep: a certificate is its PEM, and a registry its name.
#[test]
fn what_is_stored_is_read_again_as_the_same() {
    let taken = read(&[("root.pem", pem(&ca("One")).as_bytes())]).unwrap();
    for registry in [None, Some("[fd00::2]:5000".parse().unwrap())] {
        let anchor = Anchor::all_for(&taken.certificates, registry.as_ref()).remove(0);
        let stored = serde_json::to_value(&anchor).unwrap();
        assert_eq!(stored["pem"], anchor.certificate.pem());
        assert_eq!(stored.get("registry").is_some(), registry.is_some());
        assert_eq!(serde_json::from_value::<Anchor>(stored).unwrap(), anchor);
        let name = serde_json::to_value(anchor.name()).unwrap();
        assert_eq!(name["fingerprint"], anchor.certificate.fingerprint());
        assert!(anchor.is_named(&serde_json::from_value::<AnchorName>(name).unwrap()));
    }
    let damaged = serde_json::from_str::<Anchor>(r#"{"registry": "../etc", "pem": ""}"#);
    assert!(damaged.unwrap_err().to_string().contains("leave out the scheme and the path"));
    let damaged = serde_json::from_str::<Anchor>(r#"{"pem": "none"}"#).unwrap_err().to_string();
    assert!(damaged.contains("stored certificate: it is not a certificate"), "{damaged}");
}

#[test]
fn a_file_is_its_certificates_by_name() {
    let one = CaCertificate::from_pem(VERSION_1).unwrap();
    assert!(is_file_name_of(&one.file_name(), one.fingerprint()));
    for name in ["skep-.crt", "skep-0000000000000000.crt", "skep-.pem", "root.crt", ""] {
        assert!(!is_file_name_of(name, one.fingerprint()), "{name}");
    }
}

#[test]
fn a_root_of_version_1_is_a_root() {
    let taken = read(&[("old.pem", VERSION_1.as_bytes())]).unwrap();
    assert_eq!(taken.certificates[0].subject(), "CN=Old Root");
}

#[test]
fn the_same_certificate_twice_counts_once_and_is_noted() {
    let one = pem(&ca("One"));
    let files = [("a.pem", format!("{one}{one}")), ("b.pem", format!("text\n{one}"))];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_bytes()));
    let taken = read(&files).unwrap();
    assert_eq!(taken.certificates.len(), 1);
    let lines = one.lines().count();
    let notes: Vec<_> = taken.notes.iter().map(ToString::to_string).collect();
    let same = "\"CN=One\" is the same certificate as in a.pem, line 1; it counts once";
    assert_eq!(
        notes,
        [format!("a.pem, line {}: {same}", lines + 1), format!("b.pem, line 2: {same}")]
    );
}

#[test]
fn an_intermediate_is_taken_with_a_note() {
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(ca("Root"), key);
    let below = ca("Below").signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    let taken = read(&[("below.pem", below.pem().as_bytes())]).unwrap();
    assert!(!taken.certificates[0].is_root());
    insta::assert_snapshot!(taken.notes[0], @r#"below.pem, line 1: "CN=Below" is not a root; many programs trust it only if its root is installed too"#);
}

#[test]
fn what_is_no_certificate_is_said_to_be_none() {
    let cut = pem(&ca("One")).replace("-----END CERTIFICATE-----\n", "");
    let broken = pem(&ca("One")).replacen('M', "!", 1);
    let request = params("x").serialize_request(&KeyPair::generate().unwrap()).unwrap();
    let mut longer = self_signed(&ca("One")).der().to_vec();
    longer.extend(b"more");
    let wrong_der = "-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n";
    let utf16: Vec<u8> = "\u{feff}-----".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let said = [
        refusal("empty.pem", b" \n"),
        refusal("page.html", b"<html>"),
        refusal("cut.pem", cut.as_bytes()),
        refusal("broken.pem", broken.as_bytes()),
        refusal("request.pem", request.pem().unwrap().as_bytes()),
        refusal("longer.der", &longer),
        refusal("wrong.pem", wrong_der.as_bytes()),
        refusal("half.der", &longer[..100]),
        refusal("windows.txt", &utf16),
        refusal("big.pem", &vec![b'x'; 10_000_000]),
        refusal("evil\x1b[2J.pem", b"x"),
    ];
    insta::assert_snapshot!(said.concat());
    assert!(read(&[("limit.pem", &vec![b'\n'; usize::try_from(MAX_FILE).unwrap()])]).is_err());
}

#[test]
fn a_certificate_that_may_not_be_trusted_now_is_refused_with_its_place() {
    let (mut old, mut young) = (ca("Old"), ca("Young\x1b]0;title\x07"));
    old.not_after = date_time_ymd(2029, 12, 31);
    young.not_before = date_time_ymd(2030, 1, 2);
    let mut server = ca("Signs nothing");
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let mut leaf = params("Leaf");
    leaf.is_ca = IsCa::ExplicitNoCa;
    let unmarked = params("Unmarked");
    let good = pem(&ca("Good"));
    // Lines depend on the length of what comes before: one file each.
    let said = [
        refusal("old.pem", pem(&old).as_bytes()),
        refusal("young.pem", format!("{}\n", pem(&young)).as_bytes()),
        refusal("server.pem", pem(&server).as_bytes()),
        refusal("leaf.der", self_signed(&leaf).der()),
        refusal("unmarked.pem", format!("\n\n{}", pem(&unmarked)).as_bytes()),
    ];
    insta::assert_snapshot!(said.concat());
    // All that is wrong is said, and nothing is taken of what is right.
    let old = pem(&old);
    let files = [("good.pem", good.as_bytes()), ("old.pem", old.as_bytes()), ("none.pem", b"")];
    assert_eq!(read(&files).unwrap_err().len(), 2);
}

/// A bundle of roots has some whose time is over, sooner or later.
#[test]
fn what_is_not_valid_now_does_not_stand_in_the_way_of_the_others() {
    let (mut old, mut young) = (ca("Old"), ca("Young"));
    old.not_after = date_time_ymd(2029, 12, 31);
    young.not_before = date_time_ymd(2030, 1, 2);
    let bundle = format!("{}{}{}", pem(&old), pem(&ca("Good")), pem(&young));
    let taken = read(&[("roots.pem", bundle.as_bytes())]).unwrap();
    let subjects: Vec<_> = taken.certificates.iter().map(CaCertificate::subject).collect();
    assert_eq!(subjects, ["CN=Good"]);
    let notes: String = taken.notes.iter().map(|note| format!("{note}\n")).collect();
    assert!(notes.contains("line 1: \"CN=Old\" has expired on 2029-12-31"), "{notes}");
    assert!(notes.contains("\"CN=Young\" is not valid before 2030-01-02"), "{notes}");
    assert_eq!(notes.matches("it is left out").count(), 2, "{notes}");
    // A file of which nothing is left is the wrong file; what is worse than old is never passed over.
    let all_old = format!("{}{}", pem(&old), pem(&young));
    assert_eq!(read(&[("old.pem", all_old.as_bytes())]).unwrap_err().len(), 2);
    let leaf = format!("{bundle}{}", pem(&params("Leaf")));
    let errors = read(&[("leaf.pem", leaf.as_bytes())]).unwrap_err();
    assert!(matches!(errors.as_slice(), [CertificateError::NotACa { .. }]), "{errors:?}");
    // To name what is to be taken away, anything will do.
    let named = CaCertificates::read([("x", leaf.as_bytes())], Purpose::Naming, now()).unwrap();
    assert_eq!(named.certificates.len(), 4);
}

#[test]
fn a_servers_own_certificate_is_for_its_registry_only() {
    let mut leaf = params("reg");
    leaf.is_ca = IsCa::ExplicitNoCa;
    for leaf in [leaf, params("reg")] {
        let pem = pem(&leaf);
        let file = [("leaf.pem", pem.as_bytes())];
        let errors = read(&file).unwrap_err();
        assert!(matches!(errors.as_slice(), [CertificateError::NotACa { .. }]), "{errors:?}");
        let taken = CaCertificates::read(file, Purpose::Registry, now()).unwrap();
        assert!(taken.certificates[0].not_a_ca().is_some());
        let note = taken.notes[0].to_string();
        assert!(note.contains("as long as it shows this very certificate"), "{note}");
        // What is kept in a record or found in a machine is read again.
        let stored = CaCertificate::from_pem(taken.certificates[0].pem()).unwrap();
        assert_eq!([stored], *taken.certificates);
    }
}

#[test]
fn a_private_key_of_any_kind_is_refused_and_never_shown() {
    let key = KeyPair::generate().unwrap();
    let certificate = ca("Mine").self_signed(&key).unwrap().pem();
    let pkcs8 = key.serialize_pem();
    let body = pkcs8.lines().nth(1).unwrap().to_owned();
    let relabelled = |label: &str| pkcs8.replace("PRIVATE KEY", label);
    let mut files: Vec<(String, Vec<u8>)> = [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "DSA PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ]
    .map(|label| (label.into(), format!("{certificate}{}", relabelled(label)).into_bytes()))
    .into();
    files.push(("cut short".into(), pkcs8.as_bytes()[..60].to_vec()));
    files.push((
        "indented".into(),
        pkcs8.replace('\n', "\n  ").replacen("--", " --", 1).into_bytes(),
    ));
    files.push(("PuTTY".into(), b"PuTTY-User-Key-File-3: ssh-ed25519\n".to_vec()));
    files.push(("DER".into(), key.serialize_der()));
    for (name, content) in &files {
        let errors = read(&[(name, content)]).unwrap_err();
        assert!(
            matches!(errors.as_slice(), [CertificateError::PrivateKey(_)]),
            "{name}: {errors:?}"
        );
        let shown = format!("{errors:?} {}", errors[0]);
        assert!(!shown.contains(&body), "{name}");
    }
    // As a block that says it is a certificate.
    let disguised = relabelled("CERTIFICATE");
    let errors = read(&[("x", disguised.as_bytes())]).unwrap_err();
    assert!(matches!(errors.as_slice(), [CertificateError::PrivateKey(_)]), "{errors:?}");
}

proptest::proptest! {
    /// A certificate with any one byte changed is read as another, or refused; nothing breaks.
    #[test]
    fn a_damaged_certificate_is_survived(position in 0usize..300, value: u8) {
        let mut der = CaCertificate::from_pem(VERSION_1).unwrap().der().to_vec();
        let position = position % der.len();
        der[position] = value;
        let _ = read(&[("x", &der)]);
    }
}
