//! Pure: line charts as SVG text, drawn once for wide and once for narrow screens.
//!
//! Colours are CSS variables of the page, so that one drawing serves light and dark.

mod axis;

use std::fmt::Write;

pub use axis::Axis;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// What the chart is about.
    Strong,
    /// The same with a dot at each point, which is something measured.
    Dots,
    /// What goes with it.
    Plain,
    /// Something to compare with.
    Dashed,
    /// Where the samples get too few to rely on.
    Faint,
    /// Filled down to the bottom.
    Area,
}

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name in the key; an empty one is left out there.
    pub name: String,
    /// A CSS colour.
    pub colour: String,
    /// How it looks.
    pub look: Look,
    /// Its points, from left to right. A value that is no number breaks the line.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows, for those who cannot see it.
    pub about: String,
    /// The axis below, and its name.
    pub x: (Axis, String),
    /// The axis at the left, and its name.
    pub y: (Axis, String),
    /// What is drawn, the last one on top.
    pub lines: Vec<Line>,
    /// Places on the axis below that something happened at.
    pub marks: Vec<(f64, String)>,
}

/// Text that may stand in HTML and in attributes.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            other => safe.push(other),
        }
    }
    safe
}

struct Frame {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn x(&self, part: f64) -> f64 {
        self.left + part * (self.width - self.left - self.right)
    }

    fn y(&self, part: f64) -> f64 {
        self.height - self.bottom - part * (self.height - self.top - self.bottom)
    }
}

impl Chart {
    /// The key and both drawings; the page's style shows the one that fits.
    pub fn html(&self) -> String {
        let mut html = String::from("<figure>");
        let named = self.lines.iter().filter(|line| !line.name.is_empty());
        html += "<div class=key>";
        // The last one is drawn on top: it comes first.
        for line in named.rev() {
            let dashed = if line.look == Look::Dashed {
                " class=dashed"
            } else {
                ""
            };
            let _ = write!(
                html,
                "<span><i{dashed} style=\"--c:{}\"></i>{}</span>",
                line.colour,
                escape(&line.name)
            );
        }
        html += "</div>";
        html += &self.svg("wide", 920.0, 340.0);
        html += &self.svg("narrow", 400.0, 300.0);
        html += "</figure>";
        html
    }

    fn svg(&self, class: &str, width: f64, height: f64) -> String {
        let longest = self.y.0.ticks.iter().map(|(_, name)| name.chars().count());
        let frame = Frame {
            width,
            height,
            left: 16.0 + 7.0 * longest.max().unwrap_or(3) as f64,
            right: 18.0,
            top: if self.marks.is_empty() { 26.0 } else { 40.0 },
            bottom: 44.0,
        };
        let mut svg = format!(
            "<svg class={class} viewBox=\"0 0 {width} {height}\" role=img aria-label=\"{}\">",
            escape(&self.about)
        );
        self.grid(&mut svg, &frame);
        for line in &self.lines {
            self.line(&mut svg, &frame, line);
        }
        self.marks(&mut svg, &frame);
        svg += "</svg>";
        svg
    }

    fn grid(&self, svg: &mut String, frame: &Frame) {
        let (left, right) = (frame.x(0.0), frame.x(1.0));
        let (bottom, top) = (frame.y(0.0), frame.y(1.0));
        for (value, name) in &self.y.0.ticks {
            let y = frame.y(self.y.0.part(*value));
            let _ = write!(
                svg,
                "<line class=grid x1={left:.1} x2={right:.1} y1={y:.1} y2={y:.1} />\
                 <text class=tick text-anchor=end x={:.1} y={:.1}>{}</text>",
                left - 8.0,
                y + 4.0,
                escape(name)
            );
        }
        // Names that would touch are left out.
        let mut free_from = f64::NEG_INFINITY;
        for (value, name) in &self.x.0.ticks {
            let x = frame.x(self.x.0.part(*value));
            let half = name.chars().count() as f64 * 3.6;
            let _ = write!(
                svg,
                "<line class=grid x1={x:.1} x2={x:.1} y1={bottom:.1} y2={top:.1} />"
            );
            if x - half >= free_from {
                let middle = x.min(frame.width - half);
                let _ = write!(
                    svg,
                    "<text class=tick text-anchor=middle x={middle:.1} y={:.1}>{}</text>",
                    bottom + 18.0,
                    escape(name)
                );
                free_from = x + half + 8.0;
            }
        }
        let _ = write!(
            svg,
            "<line class=base x1={left:.1} x2={right:.1} y1={bottom:.1} y2={bottom:.1} />\
             <text class=axis text-anchor=end x={right:.1} y={:.1}>{}</text>\
             <text class=axis x=4 y=14>{}</text>",
            frame.height - 6.0,
            escape(&self.x.1),
            escape(&self.y.1)
        );
    }

    fn line(&self, svg: &mut String, frame: &Frame, line: &Line) {
        let class = match line.look {
            Look::Strong | Look::Dots => "line strong",
            Look::Plain => "line",
            Look::Dashed => "line dashed",
            Look::Faint => "line faint",
            Look::Area => "area",
        };
        for run in line.points.split(|(_, y)| !y.is_finite()) {
            let spots: Vec<(f64, f64)> = run
                .iter()
                .map(|(x, y)| (frame.x(self.x.0.part(*x)), frame.y(self.y.0.part(*y))))
                .collect();
            let Some(first) = spots.first() else {
                continue;
            };
            let mut path = format!("M{:.1} {:.1}", first.0, first.1);
            for (x, y) in &spots[1..] {
                let _ = write!(path, "L{x:.1} {y:.1}");
            }
            if line.look == Look::Area {
                let (bottom, last) = (frame.y(0.0), spots[spots.len() - 1].0);
                let _ = write!(path, "L{last:.1} {bottom:.1}L{:.1} {bottom:.1}Z", first.0);
            }
            let _ = write!(
                svg,
                "<path class=\"{class}\" style=\"--c:{}\" d=\"{path}\">",
                line.colour
            );
            let _ = write!(svg, "<title>{}</title></path>", escape(&line.name));
            // One point makes no line that could be seen.
            let dots = line.look == Look::Dots || spots.len() == 1;
            for (x, y) in spots.iter().filter(|_| dots) {
                let colour = &line.colour;
                let _ = write!(
                    svg,
                    "<circle cx={x:.1} cy={y:.1} r=3.6 fill=\"{colour}\" />"
                );
            }
        }
    }

    fn marks(&self, svg: &mut String, frame: &Frame) {
        // Two rows, so that neighbours can be read; more of them share a number.
        let mut free_from = [f64::NEG_INFINITY; 2];
        for (at, name) in &self.marks {
            let x = frame.x(self.x.0.part(*at));
            let _ = write!(
                svg,
                "<g class=mark><line x1={x:.1} x2={x:.1} y1={:.1} y2={:.1} /><title>{}</title>",
                frame.y(1.0) - 3.0,
                frame.y(0.0),
                escape(name)
            );
            let shown: String = match name.chars().count() > 26 {
                true => name.chars().take(25).chain(['…']).collect(),
                false => name.clone(),
            };
            let width = shown.chars().count() as f64 * 6.2;
            let leftwards = x + width > frame.width;
            let (from, to) = match leftwards {
                true => (x - width, x),
                false => (x, x + width),
            };
            // The second row is above the first; the axis' name stands at the left of it.
            let rows = [frame.y(1.0) - 7.0, frame.y(1.0) - 20.0];
            let axis_end = 8.0 + self.y.1.chars().count() as f64 * 6.5;
            let free = (0..2).find(|row| from >= free_from[*row] && (*row == 0 || from > axis_end));
            if let Some(row) = free {
                free_from[row] = to + 8.0;
                let anchor = if leftwards { "end" } else { "start" };
                let _ = write!(
                    svg,
                    "<text text-anchor={anchor} x={:.1} y={:.1}>{}</text>",
                    if leftwards { x - 3.0 } else { x + 3.0 },
                    rows[row],
                    escape(&shown)
                );
            }
            *svg += "</g>";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_in_the_values_is_a_hole_in_the_line_and_text_is_made_safe() {
        let chart = Chart {
            about: "a \"b\" <c>".to_owned(),
            x: (Axis::linear(0.0, 3.0, 3, |v| format!("{v}")), "s".into()),
            y: (Axis::linear(0.0, 2.0, 2, |v| format!("{v}")), "µs".into()),
            lines: vec![Line {
                name: "p50".into(),
                colour: "red".into(),
                look: Look::Plain,
                points: vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 2.0)],
            }],
            marks: vec![(1.0, "<script>".into())],
        };
        let html = chart.html();
        assert_eq!(html.matches("<path").count(), 4); // Two pieces, two drawings.
        assert!(html.contains("a &quot;b&quot; &lt;c&gt;"));
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"));
        assert!(!html.contains("NaN"));
    }

    #[test]
    fn a_single_point_is_drawn_as_a_dot_whatever_its_line_looks_like() {
        for look in [Look::Strong, Look::Plain, Look::Dashed, Look::Faint] {
            let chart = Chart {
                about: String::new(),
                x: (
                    Axis::linear(1.0, 2.0, 2, |v| format!("{v}")),
                    "block".into(),
                ),
                y: (Axis::linear(0.0, 2.0, 2, |v| format!("{v}")), "µs".into()),
                lines: vec![Line {
                    name: "one block".into(),
                    colour: "red".into(),
                    look,
                    points: vec![(1.0, 1.0)],
                }],
                marks: Vec::new(),
            };
            // In both drawings.
            assert_eq!(chart.html().matches("<circle").count(), 2, "{look:?}");
        }
    }
}
