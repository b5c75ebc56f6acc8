//! Figures: groups of horizontal bars, written as SVG by hand.

use std::fmt::Write;
use std::path::Path;

/// A figure of bars in groups.
pub(crate) struct Figure {
    /// What is shown.
    pub(crate) title: String,
    /// What stands under the title: the unit, and what is better.
    pub(crate) subtitle: String,
    /// Groups with their bars.
    pub(crate) groups: Vec<Group>,
}

/// Bars that are compared with each other.
pub(crate) struct Group {
    /// What they have in common.
    pub(crate) label: String,
    /// Name and value of each. One whose name begins as [`OURS`] is painted in the strong colour.
    pub(crate) bars: Vec<(String, f64)>,
}

impl Figure {
    /// Writes it to `benches/figures/` under this name.
    pub(crate) fn write(&self, file: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/figures");
        std::fs::create_dir_all(&folder).expect("the folder of the benches can be written");
        let path = folder.join(file);
        std::fs::write(&path, self.svg()).expect("the folder of the benches can be written");
        println!("drawn: {}", path.display());
    }

    /// The figure as SVG.
    fn svg(&self) -> String {
        let bars: usize = self.groups.iter().map(|group| group.bars.len()).sum();
        let height = TOP + bars as f64 * BAR + self.groups.len() as f64 * GAP + MARGIN;
        let largest = self.groups.iter().flat_map(|group| &group.bars).map(|(_, value)| *value).fold(1.0, f64::max);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"6\" fill=\"#ffffff\"/>\n"
        );
        text(&mut svg, (MARGIN, 28.0), "start", "font-size=\"17\" font-weight=\"600\"", &self.title);
        text(&mut svg, (MARGIN, 48.0), "start", "fill=\"#57606a\"", &self.subtitle);
        let mut y = TOP;
        for group in &self.groups {
            y += GAP;
            text(&mut svg, (MARGIN, y - 8.0), "start", "font-weight=\"600\"", &group.label);
            for (name, value) in &group.bars {
                let color = if name.starts_with(OURS) { STRONG } else { WEAK };
                let length = (value / largest * SPAN).max(1.0);
                text(&mut svg, (LEFT - 8.0, y + 12.0), "end", "fill=\"#24292f\"", name);
                let _ = writeln!(
                    svg,
                    "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{:.1}\" rx=\"2\" fill=\"{color}\"/>",
                    BAR - 5.0
                );
                text(&mut svg, (LEFT + length + 6.0, y + 12.0), "start", "fill=\"#57606a\"", &shown(*value));
                y += BAR;
            }
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// A value with as many digits as it can bear.
fn shown(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, style: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {style}>{content}</text>");
}

/// How the names of our own bars begin.
pub(crate) const OURS: &str = "leveret";
const STRONG: &str = "#b45309";
const WEAK: &str = "#9aa7b4";
const WIDTH: f64 = 760.0;
const MARGIN: f64 = 20.0;
const TOP: f64 = 56.0;
const LEFT: f64 = 210.0;
const SPAN: f64 = 460.0;
const BAR: f64 = 20.0;
const GAP: f64 = 34.0;
