//! Templates against what Go makes of them.

use proptest::prelude::*;
use serde_json::{Value, json};
use skep_template::{Objects, Template};

/// As `inspect` uses it.
fn of_map(template: &str, value: &Value) -> String {
    match Template::parse(template, Objects::Maps) {
        Err(error) => error.to_string(),
        Ok(template) => template.render(value).unwrap_or_else(|error| error.to_string()),
    }
}

/// As `ls` uses it.
fn of_struct(template: &str, value: &Value) -> String {
    let objects = Objects::Structs("commands.HostListItem");
    match Template::parse(&format!("{template}\n"), objects) {
        Err(error) => error.to_string(),
        Ok(template) => {
            template.with_escapes().render(value).unwrap_or_else(|error| error.to_string())
        }
    }
}

fn machine() -> Value {
    json!({
        "Name": "lab1",
        "ConfigVersion": 3,
        "Driver": { "URL": "tcp://127.0.0.1:23760", "IPAddress": "127.0.0.1:23760", "SSHPort": 0 },
        "Labels": ["env=prod", "tier=web"],
        "Dns": null,
        "TlsVerify": true,
    })
}

#[track_caller]
fn all(cases: &[(&str, &str)]) {
    for (template, expected) in cases {
        assert_eq!(of_map(template, &machine()), *expected, "{template}");
    }
}

#[test]
fn values_print_as_gos_do() {
    all(&[
        ("plain", "plain"),
        ("{{.Name}}", "lab1"),
        ("{{.Driver.IPAddress}}", "127.0.0.1:23760"),
        ("{{.ConfigVersion}} {{.TlsVerify}}", "3 true"),
        ("{{.Labels}}", "[env=prod tier=web]"),
        ("{{.Driver}}", "map[IPAddress:127.0.0.1:23760 SSHPort:0 URL:tcp://127.0.0.1:23760]"),
        (
            "{{.Nope}} {{.Driver.Nope}} {{.Driver.Nope.Deeper}} {{.Dns}}",
            "<no value> <no value> <no value> <no value>",
        ),
        ("{{print .Dns}}", "<nil>"),
        ("{{$}}", &of_map("{{.}}", &machine())),
        ("{{printf \"%v\" 1.5}} {{-3}} {{0x1f}} {{'a'}} {{1e3}}", "1.5 -3 31 97 1000"),
        (r#"{{"a\tb\u00e9\x41\""}}{{`raw\n`}}"#, "a\tbéA\"raw\\n"),
    ]);
}

#[test]
fn functions_and_pipelines() {
    all(&[
        ("{{json .Labels}}", r#"["env=prod","tier=web"]"#),
        (
            "{{json .Driver}}",
            r#"{"IPAddress":"127.0.0.1:23760","SSHPort":0,"URL":"tcp://127.0.0.1:23760"}"#,
        ),
        ("{{prettyjson .Labels}}", "[\n    \"env=prod\",\n    \"tier=web\"\n]"),
        ("{{index .Labels 0}} {{index .Driver \"SSHPort\"}}", "env=prod 0"),
        ("{{len .Name}} {{len .Labels}} {{len .}}", "4 2 6"),
        (
            r#"{{.Name | printf "%-10s"}}X{{printf "%6s|%q|%d|%05d|%%|%.2s" .Name .Name 7 -42 "abc"}}"#,
            "lab1      X  lab1|\"lab1\"|7|-0042|%|ab",
        ),
        (
            r#"{{printf "%s %d" 1 "a"}} {{printf "%d"}} {{printf "a" 1}}"#,
            "%!s(int=1) %!d(string=a) %!d(MISSING) a%!(EXTRA int=1)",
        ),
        ("{{print 1 2 \"a\" \"b\" 3}}{{println}}", "1 2ab3\n"),
        (
            "{{eq .Name \"x\" \"lab1\"}} {{ne 1 2}} {{lt 1 2}} {{ge \"a\" \"b\"}} {{eq .ConfigVersion 3.0}}",
            "true true true false true",
        ),
        (
            "{{and 1 0 2}} {{or 0 \"\" \"x\"}} {{not .Dns}} {{and .TlsVerify .Name}}",
            "0 x true lab1",
        ),
        ("{{or .Name (index .Labels 9)}}", "lab1"),
        ("{{(index .Labels 1) | len}} {{(.Driver).SSHPort}} {{slice .Name 1 3}}", "8 0 ab"),
        (
            r#"{{printf "%x %X %#x %+d %t %f %c %v" 255 255 255 3 true 1.5 97 .Labels}}"#,
            "ff FF 0xff +3 true 1.500000 a [env=prod tier=web]",
        ),
    ]);
}

#[test]
fn blocks_and_variables() {
    all(&[
        ("{{range .Labels}}{{.}},{{end}}", "env=prod,tier=web,"),
        ("{{range $i, $l := .Labels}}{{$i}}={{$l}} {{end}}", "0=env=prod 1=tier=web "),
        ("{{range $k, $v := .Driver}}{{$k}} {{end}}", "IPAddress SSHPort URL "),
        ("{{range .Dns}}x{{else}}none{{end}}", "none"),
        ("{{range .Labels}}{{if eq . \"tier=web\"}}{{break}}{{end}}{{.}}{{end}}", "env=prod"),
        ("{{range .Labels}}{{if eq . \"env=prod\"}}{{continue}}{{end}}{{.}}{{end}}", "tier=web"),
        ("{{if eq .Name \"lab1\"}}yes{{else}}no{{end}}", "yes"),
        ("{{if .Dns}}a{{else if .Name}}b{{else}}c{{end}}", "b"),
        ("{{with .Driver}}{{.SSHPort}}{{$.Name}}{{end}}{{with .Dns}}x{{else}}y{{end}}", "0lab1y"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{$x}}{{end}}{{$x}}", "22"),
        ("a  {{- .Name -}}  b{{/* not this */}}c {{- /* nor this */ -}} d", "alab1bcd"),
    ]);
}

#[test]
fn errors_are_in_gos_words() {
    all(&[
        ("{{.Name", "template: :1: unclosed action"),
        ("{{nofunc .}}", "template: :1: function \"nofunc\" not defined"),
        ("a\n{{$x}}", "template: :2: undefined variable \"$x\""),
        ("{{if 1}}", "template: :1: unexpected EOF"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{\"a}}", "template: :1: unterminated quoted string"),
        ("{{1 | 2}}", "template: :1: non executable command in pipeline stage 2"),
        (
            "{{index .Labels 5}}",
            "template: :1:2: executing \"\" at <index .Labels 5>: error calling index: index out of range: 5",
        ),
        (
            "{{.Name.First}}",
            "template: :1:2: executing \"\" at <.Name.First>: can't evaluate field First in type string",
        ),
        ("{{break}}", "template: :1: {{break}} outside {{range}}"),
    ]);
    let item = json!({"Name": "web1"});
    assert_eq!(
        of_struct("{{.Nope}}", &item),
        "template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type \
         commands.HostListItem"
    );
    assert_eq!(of_struct("{{.Name", &item), "template: :2: unclosed action started at :1");
}

#[test]
fn a_struct_prints_its_fields_in_their_order() {
    let item = json!({"Swarm": {"IsSwarm": false, "Address": "", "Discovery": "", "Env": null}});
    assert_eq!(of_struct(r"{{.Swarm}}\t.", &item), "{false   []}\t.\n");
}

#[test]
fn nesting_has_an_end() {
    for deep in [
        "{{if 1}}".repeat(100_000),
        format!("{{{{{}1", "(".repeat(100_000)),
        "{{if 1}}{{else if 1}}".repeat(50_000),
    ] {
        assert!(Template::parse(&deep, Objects::Maps).is_err());
    }
}

proptest! {
    #[test]
    fn nothing_that_is_written_panics(template in any_template()) {
        let _ = of_map(&template, &machine());
        let _ = of_struct(&template, &machine());
    }

    #[test]
    fn text_without_an_action_is_itself(text in "[^{]{0,40}") {
        prop_assert_eq!(of_map(&text, &machine()), text);
    }

    #[test]
    fn a_field_is_what_it_holds(name in "[A-Za-z][A-Za-z0-9_]{0,8}", value in "\\PC{0,12}") {
        let object = json!({ name.clone(): value });
        prop_assert_eq!(of_map(&format!("{{{{.{name}}}}}"), &object), value);
    }
}

/// Pieces of the language in any order, now and then with anything between.
fn any_template() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "{{",
        "}}",
        "{{- ",
        " -}}",
        ".",
        ".Name",
        ".Labels",
        ".Driver",
        "$",
        "$x",
        ":=",
        "=",
        ",",
        "|",
        "(",
        ")",
        "if ",
        "else ",
        "end",
        "range ",
        "with ",
        "printf ",
        "\"%5.3d %q %v\"",
        "index ",
        "len ",
        "slice ",
        "eq ",
        "and ",
        "or ",
        "not ",
        "json ",
        "0",
        "-1",
        "99",
        "1.5",
        "'a'",
        "\"",
        "`",
        "/*",
        "*/",
        "break",
        "continue",
        "nil ",
        "true ",
        " ",
        "\n",
        "é",
    ]);
    let piece = prop_oneof![8 => words.prop_map(str::to_owned), 1 => "\\PC{0,3}"];
    let pieces = prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat());
    let action = pieces.clone().prop_map(|inside| format!("{{{{{inside}}}}}"));
    prop_oneof![pieces, action]
}
