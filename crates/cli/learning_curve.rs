//! The learning curve as a picture.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;
use streamreg::{Phase, TracePoint, short};

/// Width and height of the picture.
const SIZE: (u32, u32) = (900, 560);

/// Losses that differ by more than this factor stand on a logarithmic axis.
const LOGARITHMIC_FROM: f64 = 12.0;

/// Height of what stands above the curves.
const HEAD: u32 = 62;

const BATCHES: RGBColor = RGBColor(31, 119, 180);
const ALL_ROWS: RGBColor = RGBColor(214, 39, 40);
const HELD_OUT: RGBColor = RGBColor(44, 140, 44);

/// Points of a curve: passes over the data, and losses.
type Line = Vec<(f64, f64)>;

/// Where points stand: behind as many epochs, or steps over all rows, as came before them. A gradient of all rows tells what
/// came of the epoch before it, and stands at its end.
struct Places {
    across: Vec<f64>,
    /// Whether they are counted in batches: the first epoch was not brought to its end, and nobody knows its length.
    batches: bool,
}

impl Places {
    fn of(points: &[TracePoint]) -> Self {
        let first = points.first().map_or(0, |p| p.epoch);
        if points.iter().all(|p| p.phase == Phase::Epoch && p.epoch == first) {
            return Self { across: points.iter().map(|p| p.batch as f64).collect(), batches: true };
        }
        let longest = points.iter().filter(|p| p.phase == Phase::Epoch).map(|p| p.rows).max().unwrap_or(1);
        let (mut done, mut across) = (0.0, Vec::with_capacity(points.len()));
        let mut before: Option<&TracePoint> = None;
        for point in points {
            let another = before.is_some_and(|before| before.epoch != point.epoch);
            let after_epoch = before.is_some_and(|before| before.phase == Phase::Epoch);
            // An epoch is over where another pass begins, and a step over all rows where another gradient follows.
            let ends = match point.phase {
                Phase::Gradient => another,
                _ => another && after_epoch,
            };
            done += f64::from(u8::from(ends));
            let part = point.rows as f64 / longest.max(1) as f64;
            across.push(if point.phase == Phase::Epoch { done + part } else { done });
            before = Some(point);
        }
        Self { across, batches: false }
    }
}

/// What is drawn.
struct Curves {
    batches: Line,
    all_rows: Line,
    held_out: Line,
    /// What the horizontal axis counts.
    across: &'static str,
}

impl Curves {
    fn new(points: &[TracePoint]) -> Self {
        let places = Places::of(points);
        let line = |wanted: &dyn Fn(&TracePoint) -> Option<f64>| -> Line {
            let losses = points.iter().zip(&places.across).filter_map(|(p, at)| Some((*at, wanted(p)?)));
            losses.filter(|(_, loss)| loss.is_finite()).collect()
        };
        let whole = |p: &TracePoint| p.phase == Phase::Gradient;
        Self {
            batches: line(&|p| (p.phase == Phase::Epoch).then_some(p.loss)),
            all_rows: line(&|p| whole(p).then_some(p.loss)),
            held_out: line(&|p| p.held_out_loss.filter(|_| whole(p))),
            across: if places.batches { "Batches" } else { "Epochs" },
        }
    }

    fn all(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.batches.iter().chain(&self.all_rows).chain(&self.held_out)
    }

    /// The least and the largest loss, and whether the axis is logarithmic.
    fn range(&self) -> (f64, f64, bool) {
        let least = self.all().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min);
        let most = self.all().map(|(_, loss)| *loss).fold(f64::NEG_INFINITY, f64::max);
        if !(least.is_finite() && most.is_finite()) {
            return (0.0, 1.0, false);
        }
        if least > 0.0 && most > LOGARITHMIC_FROM * least {
            return (least / 1.25, most * 1.25, true);
        }
        let room = if most > least { 0.08 * (most - least) } else { 0.1 * most.abs().max(1e-12) };
        let from = if least >= 0.0 { (least - room).max(0.0) } else { least - room };
        (from, most + room, false)
    }
}

/// An SVG picture of the losses on the way.
///
/// # Errors
/// When the plotting library refuses something.
pub(crate) fn learning_curve(points: &[TracePoint], title: &str) -> Result<String> {
    let curves = Curves::new(points);
    let (least, most, logarithmic) = curves.range();
    let first = 0.0f64;
    let last = curves.all().map(|(x, _)| *x).fold(0.0, f64::max);
    let across = first..last.max(first + 1.0) + 0.02 * (last - first).max(1.0);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let (head, area) = area.split_vertically(HEAD);
        draw_legend(&head, &curves)?;
        let mut builder = ChartBuilder::on(&area);
        head.draw(&Text::new(title.to_owned(), (100, 14), ("sans-serif", 20))).map_err(failed)?;
        builder.margin(16).x_label_area_size(52).y_label_area_size(84);
        if logarithmic {
            let mut chart = builder.build_cartesian_2d(across, (least..most).log_scale()).map_err(failed)?;
            draw(&mut chart, &curves, "Mean loss (logarithmic)")?;
        } else {
            let mut chart = builder.build_cartesian_2d(across, least..most).map_err(failed)?;
            draw(&mut chart, &curves, "Mean loss")?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

type Chart<'a, 'd, Y> =
    ChartContext<'a, SVGBackend<'d>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>;

fn draw<'a, 'd: 'a, Y>(chart: &mut Chart<'a, 'd, Y>, curves: &Curves, losses: &str) -> Result<()>
where
    Y: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .x_desc(curves.across)
        .y_desc(losses)
        .axis_desc_style(("sans-serif", 17))
        .label_style(("sans-serif", 15))
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| if y.abs() < 1e6 { short(*y) } else { format!("{y:.1e}") })
        .light_line_style(WHITE)
        .draw()
        .map_err(failed)?;
    let dots = |line: &Line, colour: RGBColor| -> Vec<Circle<(f64, f64), i32>> {
        line.iter().map(|point| Circle::new(*point, 4, colour.filled())).collect()
    };
    if curves.batches.len() > 1 {
        let line = LineSeries::new(curves.batches.iter().copied(), BATCHES.stroke_width(2));
        chart.draw_series(line).map_err(failed)?;
    } else {
        chart.draw_series(dots(&curves.batches, BATCHES)).map_err(failed)?;
    }
    if curves.all_rows.len() > 1 {
        let line = LineSeries::new(curves.all_rows.iter().copied(), ALL_ROWS.stroke_width(1));
        chart.draw_series(line).map_err(failed)?;
    }
    chart.draw_series(dots(&curves.all_rows, ALL_ROWS)).map_err(failed)?;
    if curves.held_out.len() > 1 {
        let line = LineSeries::new(curves.held_out.iter().copied(), HELD_OUT.stroke_width(2));
        chart.draw_series(line).map_err(failed)?;
    }
    chart.draw_series(dots(&curves.held_out, HELD_OUT)).map_err(failed)?;
    Ok(())
}

/// What the colours mean, above the picture and so never over a curve.
fn draw_legend(head: &DrawingArea<SVGBackend<'_>, Shift>, curves: &Curves) -> Result<()> {
    let entries = [
        (!curves.batches.is_empty(), BATCHES, "batches, as they are learnt from"),
        (!curves.all_rows.is_empty(), ALL_ROWS, "all rows, at the end of an epoch"),
        (!curves.held_out.is_empty(), HELD_OUT, "rows held out"),
    ];
    let mut x = 100;
    for (_, colour, text) in entries.into_iter().filter(|(drawn, ..)| *drawn) {
        let line = PathElement::new(vec![(x, 54), (x + 18, 54)], colour.stroke_width(3));
        head.draw(&line).map_err(failed)?;
        head.draw(&Text::new(text, (x + 26, 46), ("sans-serif", 15))).map_err(failed)?;
        x += 50 + 8 * text.len() as i32;
    }
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the learning curve cannot be drawn: {error}")
}
