//! What was seen of several servers at one number of viewers.

use std::fmt::Write;

use super::{common::median, load::Seen};

/// The figures of each server, round by round, in the order in which they came. The first server is the floor.
#[derive(Default)]
pub struct Table(Vec<(String, Vec<Seen>)>);

/// One server's figures over all rounds.
struct Row<'a> {
    server: &'a str,
    cost: f64,
    ratio: f64,
    share: f64,
    p50: f64,
    p99: f64,
    memory: f64,
}

impl Table {
    pub fn add(&mut self, server: &str, seen: Seen) {
        match self.0.iter_mut().find(|(name, _)| name == server) {
            Some((_, all)) => all.push(seen),
            None => self.0.push((server.to_owned(), vec![seen])),
        }
    }

    /// For people.
    pub fn to_text(&self, viewers: usize) -> String {
        let title = format!("{viewers} viewers");
        let mut text = format!(
            "{title:<20}{:>12}{:>8}{:>10}{:>10}{:>10}{:>12}{:>10}\n",
            "µs/picture", "ratio", "share", "p50 ms", "p99 ms", "p99 ratio", "RSS MB"
        );
        let floor_p99 = self.rows().next().map_or(f64::NAN, |floor| floor.p99);
        for Row { server, cost, ratio, share, p50, p99, memory } in self.rows() {
            let (share, age_ratio) = (share * 100.0, p99 / floor_p99);
            let _ = writeln!(
                text,
                "{server:<20}{cost:>12.1}{ratio:>8.2}{share:>8.1} %{p50:>10.1}{p99:>10.1}{age_ratio:>12.2}{memory:>10.0}"
            );
        }
        text
    }

    /// What a picture costs with one server, as a multiple of what it costs with another in the same round.
    pub fn ratio(&self, server: &str, other: &str) -> Option<f64> {
        let seen = |wanted| self.0.iter().find(|(name, _)| name == wanted).map(|(_, seen)| seen.iter());
        Some(median(seen(server)?.zip(seen(other)?).map(|(one, other)| one.cost / other.cost).collect()))
    }

    /// For the plot.
    pub fn to_lines(&self, viewers: usize) -> String {
        let line = |Row { server, cost, ratio, share, p50, p99, memory }: Row<'_>| {
            format!("{viewers} {server} {cost} {ratio} {share} {p50} {p99} {memory}\n")
        };
        self.rows().map(line).collect()
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let floor = self.0.first().map(|(_, seen)| seen.as_slice()).unwrap_or_default();
        self.0.iter().map(move |(server, seen)| {
            let all = |value: fn(&Seen) -> f64| median(seen.iter().map(value).collect());
            // One neighbour on the machine spoils an age; the quietest round tells what the server does.
            let least = |value: fn(&Seen) -> f64| seen.iter().map(value).fold(f64::INFINITY, f64::min);
            Row {
                server,
                cost: all(|seen| seen.cost),
                ratio: median(seen.iter().zip(floor).map(|(seen, floor)| seen.cost / floor.cost).collect()),
                share: all(|seen| seen.share),
                p50: least(|seen| seen.p50),
                p99: least(|seen| seen.p99),
                memory: all(|seen| seen.memory),
            }
        })
    }
}
