//! Sums of many points at once.

use alloc::{vec, vec::Vec};

use super::field::{Element, Point, invert_all};

/// Points in groups, of which each is to be summed.
#[derive(Default)]
pub(super) struct Groups {
    /// Group after group.
    points: Vec<Point>,
    /// Number of points in each group.
    lengths: Vec<usize>,
}

/// How two points are added.
#[derive(Clone, Copy)]
enum Step {
    /// Along the line through both.
    Chord,
    /// They are equal: along the tangent.
    Tangent,
    /// They are opposite: to nothing.
    Cancel,
}

impl Groups {
    /// So many groups of points that come in any order, each with the number of its group. `entries` has to give the
    /// same ones twice.
    pub(super) fn sorted<I: Iterator<Item = (usize, Point)>>(count: usize, entries: impl Fn() -> I) -> Self {
        let mut lengths = vec![0; count];
        entries().for_each(|(group, _)| lengths[group] += 1);
        let mut total = 0;
        let mut places: Vec<usize> = lengths.iter().map(|length| (total, total += length).0).collect();
        let mut points = vec![Point::generator(); total];
        for (group, point) in entries() {
            points[places[group]] = point;
            places[group] += 1;
        }
        Self { points, lengths }
    }

    /// Adds a group.
    pub(super) fn push<'a>(&mut self, group: impl IntoIterator<Item = &'a Option<Point>>) {
        let before = self.points.len();
        self.points.extend(group.into_iter().flatten());
        self.lengths.push(self.points.len() - before);
    }

    /// The sum of each group; `None` where it is the point at infinity.
    ///
    /// Adding two points by their coordinates takes one inversion and three multiplications. Here all groups are summed
    /// by pairs in rounds, and all additions of a round share their inversion: six multiplications for each, half of
    /// what formulas without inversion take.
    pub(super) fn sum(mut self) -> Vec<Option<Point>> {
        let (mut steps, mut inverses) = (Vec::new(), Vec::new());
        while self.lengths.iter().any(|length| *length > 1) {
            self.halve(&mut steps, &mut inverses);
        }
        let mut points = self.points.into_iter();
        self.lengths.into_iter().map(|length| if length == 0 { None } else { points.next() }).collect()
    }

    /// Replaces all points of every group, two by two, by their sums.
    fn halve(&mut self, steps: &mut Vec<Step>, inverses: &mut Vec<Element>) {
        steps.clear();
        inverses.clear();
        let mut from = 0;
        for length in &self.lengths {
            for pair in self.points[from..from + length].chunks_exact(2) {
                let (step, denominator) = denominator(&pair[0], &pair[1]);
                steps.push(step);
                inverses.push(denominator);
            }
            from += length;
        }
        invert_all(inverses);

        let (mut from, mut to) = (0, 0);
        let mut ready = steps.iter().zip(&*inverses);
        for length in &mut self.lengths {
            let (end, first) = (from + *length, to);
            while from + 1 < end {
                let (step, inverse) = ready.next().expect("one for every pair");
                if let Some(sum) = add(&self.points[from], &self.points[from + 1], *step, inverse) {
                    self.points[to] = sum;
                    to += 1;
                }
                from += 2;
            }
            if from < end {
                self.points[to] = self.points[from];
                (from, to) = (from + 1, to + 1);
            }
            *length = to - first;
        }
        self.points.truncate(to);
    }
}

/// How two points are added, and the denominator of the slope of the line between them.
fn denominator(left: &Point, right: &Point) -> (Step, Element) {
    let run = right.x + left.x.negate(1);
    if !bool::from(run.normalizes_to_zero()) {
        return (Step::Chord, run);
    }
    let rise = right.y + left.y.negate(1);
    // No point of this curve has y = 0, since the number of its points is odd.
    if rise.normalizes_to_zero().into() { (Step::Tangent, left.y.double()) } else { (Step::Cancel, Element::ONE) }
}

fn add(left: &Point, right: &Point, step: Step, inverse: &Element) -> Option<Point> {
    let slope = match step {
        Step::Chord => (right.y + left.y.negate(1)).mul(inverse),
        Step::Tangent => left.x.square().mul_single(3).mul(inverse),
        Step::Cancel => return None,
    };
    let x = (slope.square() + (left.x + right.x).negate(2)).normalize_weak();
    let y = (slope.mul(&(left.x + x.negate(1))) + left.y.negate(1)).normalize_weak();
    Some(Point { x, y })
}
