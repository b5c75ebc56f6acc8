//! Topologies drawn: exact texts, and names that try to be a part of the drawing.

use leveret::{Binding, Exchange, Overflow, Policy, Queue, Topology};

fn shop() -> Topology {
    Topology::new()
        .policy(Policy::new("dead", "^orders$").dead_letter_exchange("dead"))
        .policy(Policy::new("stray", "^by-").alternate_exchange("unrouted"))
        .exchange(Exchange::topic("events").alternate("unrouted"))
        .exchange(Exchange::fanout("unrouted"))
        .exchange(Exchange::headers("by-tier").bind("events", "vip.#"))
        .exchange(Exchange::direct("dead"))
        .queue(Queue::new("orders").bind("events", "order.*.created").bind("amq.direct", ""))
        .queue(Queue::new("orders.dlq").bind("dead", "order").max_length(10, Overflow::DropHead))
        .queue(Queue::new("retry").dead_letter_to("orders"))
        .queue(
            Queue::new("unrouted").bind("unrouted", "").dead_letter_exchange("dead").dead_letter_routing_key("order"),
        )
        .queue(Queue::new("vip").binding(Binding::to("by-tier").argument("x-match", "any").argument("tier", "vip")))
}

#[test]
fn a_flowchart_in_mermaid() {
    assert_eq!(
        shop().to_mermaid(),
        r#"flowchart LR
    e0{{"events<br>topic"}}
    e1{{"unrouted<br>fanout"}}
    e2{{"by-tier<br>headers"}}
    e3{{"dead<br>direct"}}
    e4{{"amq.direct<br>direct"}}
    q0[("orders")]
    q1[("orders.dlq")]
    q2[("retry")]
    q3[("unrouted")]
    q4[("vip")]
    e0 -->|"vip.#35;"| e2
    e0 -->|"order.#42;.created"| q0
    e4 -->|"(empty)"| q0
    e3 -->|"order"| q1
    e1 --> q3
    e2 -->|"x-match#58; any, tier#58; vip"| q4
    e0 -.->|"alternate"| e1
    e2 -.->|"alternate"| e1
    q0 -.->|"dead letters"| e3
    q2 -.->|"dead letters"| q0
    q3 -.->|"dead letters#58; order"| e3
"#
    );
}

#[test]
fn a_graph_in_graphvizs_language() {
    assert_eq!(
        shop().to_dot(),
        r##"digraph topology {
    rankdir=LR;
    e0 [label="events\ntopic", shape=hexagon];
    e1 [label="unrouted\nfanout", shape=hexagon];
    e2 [label="by-tier\nheaders", shape=hexagon];
    e3 [label="dead\ndirect", shape=hexagon];
    e4 [label="amq.direct\ndirect", shape=hexagon];
    q0 [label="orders", shape=cylinder];
    q1 [label="orders.dlq", shape=cylinder];
    q2 [label="retry", shape=cylinder];
    q3 [label="unrouted", shape=cylinder];
    q4 [label="vip", shape=cylinder];
    e0 -> e2 [label="vip.#"];
    e0 -> q0 [label="order.*.created"];
    e4 -> q0 [label="(empty)"];
    e3 -> q1 [label="order"];
    e1 -> q3;
    e2 -> q4 [label="x-match: any, tier: vip"];
    e0 -> e1 [label="alternate", style=dashed];
    e2 -> e1 [label="alternate", style=dashed];
    q0 -> e3 [label="dead letters", style=dashed];
    q2 -> q0 [label="dead letters", style=dashed];
    q3 -> e3 [label="dead letters: order", style=dashed];
}
"##
    );
}

#[test]
fn what_is_named_and_not_there_is_drawn_as_missing() {
    let topology = Topology::new()
        .exchange(Exchange::fanout("events").alternate("nowhere"))
        .queue(Queue::new("a").bind("gone", "k").dead_letter_to("b"))
        .queue(Queue::new("c").dead_letter_exchange(""));
    assert_eq!(
        topology.to_mermaid(),
        r#"flowchart LR
    e0{{"events<br>fanout"}}
    e1{{"gone<br>does not exist"}}:::missing
    e2{{"nowhere<br>does not exist"}}:::missing
    e3{{"(default)<br>direct"}}
    q0[("a")]
    q1[("c")]
    q2[("b<br>does not exist")]:::missing
    e1 -->|"k"| q0
    e0 -.->|"alternate"| e2
    q0 -.->|"dead letters"| q2
    q1 -.->|"dead letters"| e3
    classDef missing stroke-dasharray: 4 4
"#
    );
    let dot = topology.to_dot();
    assert!(dot.contains("    e2 [label=\"nowhere\\ndoes not exist\", shape=hexagon, style=dashed];\n"), "{dot}");
    assert!(dot.contains("    q2 [label=\"b\\ndoes not exist\", shape=cylinder, style=dashed];\n"), "{dot}");
    assert_eq!(Topology::new().to_mermaid(), "flowchart LR\n");
    assert_eq!(Topology::new().to_dot(), "digraph topology {\n    rankdir=LR;\n}\n");
}

/// Names that would end a label, begin another statement, or be markup.
const HOSTILE: [&str; 14] = [
    "\"]; q9 --> e0; x[\"",
    "\"))}}\n    click e0 \"javascript:alert(1)\"",
    "a\"b\\",
    "<img src=x onerror=alert(1)>",
    "`**bold**`",
    "_x_ ~y~ [z](http://w)",
    "#quot;#35;&amp;&quot;",
    "end",
    "1. one",
    "- two",
    "%% no comment",
    "\u{202e}txt.exe\u{7}\u{1b}[31m",
    "grüße 兎 🐇",
    " ",
];

#[test]
fn hostile_names_stay_names_in_mermaid() {
    for name in HOSTILE {
        let drawn = Topology::new()
            .exchange(Exchange::topic(name).alternate(name))
            .queue(Queue::new(name).bind(name, name).dead_letter_exchange(name).dead_letter_routing_key(name))
            .to_mermaid();
        let lines: Vec<_> = drawn.lines().collect();
        assert_eq!(lines.len(), if name.contains('\n') { 8 } else { 6 }, "{drawn}");
        assert!(drawn.lines().all(|line| line.matches('"').count() % 2 == 0), "{drawn}");
        for label in drawn.split('"').skip(1).step_by(2) {
            let label = label.replacen("<br>topic", "", 1).replacen("<br>does not exist", "", 1);
            assert!(!label.contains(['<', '>', '`', '*', '_', '[', ']', '{', '}', '&', '\\', '%', '~']), "{label}");
            assert!(!label.chars().any(|c| c.is_control() || c == '\u{202e}'), "{label:?}");
            // Every '#' begins an entity, and none is one of the name's own.
            for entity in label.split('#').skip(1) {
                let digits = entity.split(';').next().unwrap_or_default();
                assert!(!digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()), "{label}");
            }
        }
    }
}

#[test]
fn exact_labels_of_hostile_names_in_mermaid() {
    let label = |name: &str| {
        let drawn = Topology::new().queue(Queue::new(name)).to_mermaid();
        let label = drawn.strip_prefix("flowchart LR\n    q0[(\"").and_then(|rest| rest.strip_suffix("\")]\n"));
        label.unwrap_or_else(|| panic!("{drawn}")).to_owned()
    };
    for (name, expected) in [
        ("a\"b", "a#34;b"),
        ("a]b)}", "a#93;b)#125;"),
        ("<b>", "#60;b#62;"),
        ("#quot;", "#35;quot#59;"),
        ("1. one", "1#46; one"),
        ("- two", "#45; two"),
        (" ", "#32;"),
        ("", "(no name)"),
        ("a\tb", "a#92;tb"),
        ("\u{202e}x", "#92;u#123;202e#125;x"),
        ("grüße 兎 🐇", "grüße 兎 🐇"),
        // RabbitMQ takes line breaks out of names.
        ("two\r\nlines", "twolines"),
    ] {
        assert_eq!(label(name), expected, "{name:?}");
    }
}

#[test]
fn hostile_names_stay_names_in_graphvizs_language() {
    for name in HOSTILE {
        let drawn = Topology::new()
            .exchange(Exchange::topic(name).alternate(name))
            .queue(Queue::new(name).bind(name, name).dead_letter_exchange(name).dead_letter_routing_key(name))
            .to_dot();
        for line in drawn.lines() {
            // Read as Graphviz does: a backslash takes the next character with it.
            let (mut quotes, mut characters) = (0, line.chars());
            while let Some(c) = characters.next() {
                match c {
                    '\\' => drop(characters.next()),
                    '"' => quotes += 1,
                    _ => {}
                }
            }
            assert!(quotes == 0 || quotes == 2, "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
    let dot = Topology::new().queue(Queue::new("a\\n\"b&amp;\t")).to_dot();
    assert!(dot.contains(r#"q0 [label="a\\n\"b&amp;amp;\\t", shape=cylinder];"#), "{dot}");
}

#[test]
fn the_same_topology_is_drawn_the_same() {
    let many = |topology: Topology, at: usize| {
        topology.exchange(Exchange::topic(format!("e{at}"))).queue(Queue::new(format!("q{at}")).bind("gone", "k"))
    };
    let topology = (0..50).fold(Topology::new(), many);
    assert_eq!(topology.to_mermaid(), topology.clone().to_mermaid());
    assert_eq!(topology.to_dot(), topology.clone().to_dot());
}
